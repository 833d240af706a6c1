using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Health;

/// <summary>
/// Checks the instances of one service again and again, each on its own, and tells their <see cref="EjectionState"/> when enough
/// checks in a row have failed or passed. Nothing is sent while the service has not been called for a while, and what the checks
/// said is forgotten then: it would be out of date when calls come again. What calls found out stays.
/// </summary>
internal sealed class HealthProber : IAsyncDisposable
{
    private readonly ServiceHealth _health;
    private readonly Func<long> _lastUsed;
    private readonly TimeProvider _time;
    private readonly HealthTelemetry? _telemetry;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<InstanceState, (CancellationTokenSource Stop, Task Running)> _checked = [];
    private readonly Lock _lock = new();

    /// <param name="health">What the instances have in common.</param>
    /// <param name="lastUsed">When the service was last called, as a timestamp.</param>
    /// <param name="time">The clock.</param>
    /// <param name="telemetry">Where results are told; null: nowhere.</param>
    public HealthProber(ServiceHealth health, Func<long> lastUsed, TimeProvider time, HealthTelemetry? telemetry)
    {
        _health = health;
        _lastUsed = lastUsed;
        _time = time;
        _telemetry = telemetry;
    }

    private ProbeSettings Settings => _health.Settings.Probe;

    /// <summary>Tells which instances there are now.</summary>
    public void Update(IReadOnlySet<InstanceState> instances)
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested)
            {
                return;
            }

            foreach (var (instance, running) in _checked.Where(pair => !instances.Contains(pair.Key)).ToList())
            {
                running.Stop.Cancel();
                _checked.Remove(instance);
            }

            foreach (var instance in instances)
            {
                if (!_checked.ContainsKey(instance))
                {
                    var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                    _checked.Add(instance, (stop, RunAsync(instance, stop)));
                }
            }
        }
    }

    /// <summary>Ends all checks, and waits for those under way.</summary>
    public async ValueTask DisposeAsync()
    {
        List<Task> running;
        lock (_lock)
        {
            _stop.Cancel();
            running = [.. _checked.Values.Select(one => one.Running)];
            _checked.Clear();
        }

        await Task.WhenAll(running).ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync(InstanceState instance, CancellationTokenSource stop)
    {
        using (stop)
        {
            // Whoever tells of instances holds a lock.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            var (passed, failed) = (0, 0);
            // A random beginning spreads the instances over the interval, and the callers of one instance as well.
            var pause = Settings.Interval * _health.Random.NextDouble();
            while (await PausedAsync(pause, stop.Token).ConfigureAwait(false))
            {
                pause = Settings.Interval;
                if (!IsUsed())
                {
                    (passed, failed) = (0, 0);
                    instance.Ejection.ForgetChecks(_time.GetTimestamp());
                    continue;
                }

                if (await CheckAsync(instance, stop.Token).ConfigureAwait(false) is not { } passes)
                {
                    return;
                }

                (passed, failed) = passes ? (passed + 1, 0) : (0, failed + 1);
                if (passed >= Settings.HealthyThreshold || failed >= Settings.UnhealthyThreshold)
                {
                    instance.Ejection.Checked(passes, _time.GetTimestamp());
                }
            }
        }
    }

    // Null: it was stopped.
    private async Task<bool?> CheckAsync(InstanceState instance, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(Settings.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        bool passes;
        string result;
        try
        {
            passes = await InstanceCheck.PassesAsync(instance, Settings, either.Token).ConfigureAwait(false);
            result = passes ? "passed" : "failed";
        }
        catch (Exception) when (stop.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e)
        {
            // Whatever keeps a check from being made is what it was to find out.
            (passes, result) = (false, e is OperationCanceledException ? "timeout" : "error");
        }

        _telemetry?.Probed(_health.Service, instance.Ejection.Name, result);
        return passes;
    }

    private bool IsUsed() =>
        _time.GetElapsedTime(_lastUsed(), _time.GetTimestamp()) <= Settings.IdleTimeout;

    private async Task<bool> PausedAsync(TimeSpan pause, CancellationToken stop)
    {
        try
        {
            await Task.Delay(pause, _time, stop).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
