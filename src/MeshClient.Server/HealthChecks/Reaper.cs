using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.Hosting;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.HealthChecks;

/// <summary>
/// Every 30 seconds, as Consul does: takes out the services whose check has been critical for longer than it allows, and the
/// roots that have been replaced for long enough.
/// </summary>
internal sealed class Reaper(
    StateStore store, HealthMonitor monitor, ServerMetrics metrics, TimeProvider time, ILogger<Reaper> logger) : IDisposable
{
    /// <summary>How often it looks (Consul's interval).</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private ITimer? _timer;

    public void Start() => _timer = time.CreateTimer(static state => ((Reaper)state!).Look(), this, Interval, Interval);

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        lock (_gate)
        {
            try
            {
                Clean(time.GetUtcNow());
            }
            catch (IOException e)
            {
                Log.CleanUpFailed(logger, e);
            }
        }
    }

    private void Clean(DateTimeOffset now)
    {
        // While most beats are missing nobody can tell who is gone for good.
        foreach (var instance in monitor.Beats.IsPreserving ? [] : store.Current.Catalog.Instances.Values)
        {
            if (DeregisterIfCritical.IsDue(instance.Checks, now))
            {
                var sidecar = store.Current.Catalog.FindSidecar(instance.Id);
                if (!store.Apply(new DeregisterIfCritical(instance.Id, now)).Catalog.Instances.ContainsKey(instance.Id))
                {
                    Log.InstanceReaped(logger, instance.Id, instance.Name);
                    metrics.InstanceReaped();
                }

                foreach (var check in instance.Checks.Concat(sidecar?.Checks ?? []))
                {
                    monitor.Follow(check.CheckId);
                }
            }
        }

        store.Apply(new RetireRoots(now));
        store.Apply(new DropExpiredTokens(now));
    }
}
