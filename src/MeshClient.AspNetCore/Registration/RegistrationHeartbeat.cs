using MeshClient.Core.ControlPlane;
using MeshClient.Core.Registration;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Registration;

/// <summary>Makes the heartbeat of a registration.</summary>
internal delegate RegistrationHeartbeat RegistrationHeartbeatFactory(IServiceRegistrar registrar, InstanceRegistration registration);

/// <summary>
/// Keeps one instance registered: registers it, beats three times per time to live, registers it again when the registry
/// has lost it. Failures never end it and never stop the app.
/// </summary>
/// <remarks>
/// Beats come after 80 to 100 % of a third of the time to live, at random, so that many instances do not beat together.
/// After a failure it tries again after 100 ms doubled each time up to a third of the time to live, with full jitter (AWS
/// Architecture Blog, "Exponential Backoff And Jitter"), or when the control plane asked for longer, then, but no later
/// than a time to live: an instance must not fall silent for a day because of one answer. After a beat that
/// was refused it registers again, since refusing is how some registries say that they do not know an instance.
/// </remarks>
internal sealed partial class RegistrationHeartbeat(
    IServiceRegistrar registrar,
    InstanceRegistration registration,
    RegistrationMetrics metrics,
    MeshRandom random,
    TimeProvider time,
    ILogger logger) : IAsyncDisposable
{
    private const double LeastShareOfInterval = 0.8;
    private const int BeatsPerTimeToLive = 3;
    private const int MaxDoublings = 10;
    private const string StopReason = "The instance is stopping.";
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _unfit;
    private string? _toldUnfit;
    private volatile InstanceRegistration _registration = registration;
    private InstanceRegistration? _told;
    private volatile bool _registered;

    public InstanceRegistration Registration => _registration;

    /// <summary>Whether the registry knows the instance, as far as the last answer told.</summary>
    public bool IsRegistered => _registered;

    private TimeSpan Interval => _registration.TimeToLive / BeatsPerTimeToLive;

    public void Start()
    {
        using (ExecutionContext.SuppressFlow())
        {
            _loop = Task.Run(() => RunAsync(_stop.Token));
        }
    }

    /// <summary>Says whether the instance can do what it is called for; the registry hears of it at once.</summary>
    /// <param name="problem">Why it cannot; null: it can.</param>
    public void SetUnfit(string? problem)
    {
        _unfit = problem;
        Volatile.Read(ref _changed).TrySetResult();
    }

    /// <summary>Says that the instance is to be described otherwise; the registry hears of it at once.</summary>
    /// <param name="changed">The same instance, with other metadata.</param>
    public void Update(InstanceRegistration changed)
    {
        _registration = changed;
        Volatile.Read(ref _changed).TrySetResult();
    }

    /// <summary>Ends the beats. The instance stays registered.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>Tells the registry that the instance stops.</summary>
    /// <returns>Whether the registry has heard it, so that callers will.</returns>
    public Task<bool> AnnounceStopAsync(CancellationToken cancellationToken) =>
        TryAsync("maintenance", token => registrar.SetMaintenanceAsync(_registration.Id, true, StopReason, token), cancellationToken);

    /// <summary>
    /// Takes the instance out of the registry. Asked even when registering never succeeded: the registry may have heard it
    /// and its answer been lost.
    /// </summary>
    public async Task LeaveAsync(CancellationToken cancellationToken)
    {
        if (await TryAsync("deregister", token => registrar.DeregisterAsync(_registration.Id, token), cancellationToken).ConfigureAwait(false))
        {
            _registered = false;
            LogLeft(logger, _registration.Id.Value);
        }
    }

    private async Task RunAsync(CancellationToken stop)
    {
        var failures = 0;
        while (!stop.IsCancellationRequested)
        {
            TimeSpan pause;
            // What changes from here on is not lost.
            var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref _changed, changed);
            try
            {
                await RegisterOrBeatAsync(stop).ConfigureAwait(false);
                failures = 0;
                pause = Interval * (LeastShareOfInterval + ((1 - LeastShareOfInterval) * random.NextDouble()));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                pause = Failed(e, failures++);
            }

            await changed.Task.WaitAsync(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task RegisterOrBeatAsync(CancellationToken stop)
    {
        var unfit = _unfit;
        if (_registered && !await IsKnownAsync(stop).ConfigureAwait(false))
        {
            _registered = false;
            LogForgotten(logger, _registration.Id.Value);
        }

        var current = _registration;
        if (!_registered || !ReferenceEquals(current, _told))
        {
            if (!_registered && unfit is not null)
            {
                return;
            }

            await BoundedAsync(token => registrar.RegisterAsync(current, token), stop).ConfigureAwait(false);
            // Whether an instance that was in maintenance still is, registries see differently: it is said again either way.
            _toldUnfit = _registered && unfit is null ? _toldUnfit : null;
            _registered = true;
            _told = current;
            var endpoint = current.Endpoints[0];
            LogRegistered(logger, current.Service.Value, _registration.Id.Value, endpoint.Host, endpoint.Port);
        }

        if (unfit != _toldUnfit)
        {
            await BoundedAsync(
                token => registrar.SetMaintenanceAsync(_registration.Id, unfit is not null, unfit ?? string.Empty, token), stop).ConfigureAwait(false);
            _toldUnfit = unfit;
        }
    }

    private async Task<bool> IsKnownAsync(CancellationToken stop)
    {
        var result = HeartbeatResult.UnknownInstance;
        await BoundedAsync(
            async token => result = await registrar.BeatAsync(_registration.Id, string.Empty, token).ConfigureAwait(false),
            stop).ConfigureAwait(false);
        return result == HeartbeatResult.Accepted;
    }

    private TimeSpan Failed(Exception e, int failuresBefore)
    {
        var operation = _registered ? "beat" : "register";
        metrics.Failed(operation);
        if (failuresBefore == 0)
        {
            LogFailed(logger, operation, _registration.Id.Value, Describe(e));
        }

        var failure = e as ControlPlaneException;
        if (failure?.Failure == ControlPlaneFailure.Rejected)
        {
            _registered = false;
        }

        var longest = Math.Min(Interval.TotalMilliseconds, FirstPause.TotalMilliseconds * (1 << Math.Min(failuresBefore, MaxDoublings)));
        var pause = TimeSpan.FromMilliseconds(longest * random.NextDouble());
        var asked = failure?.RetryAfter ?? TimeSpan.Zero;
        asked = asked < _registration.TimeToLive ? asked : _registration.TimeToLive;
        return asked > pause ? asked : pause;
    }

    private async Task<bool> TryAsync(string operation, Func<CancellationToken, Task> call, CancellationToken cancellationToken)
    {
        try
        {
            await BoundedAsync(call, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            metrics.Failed(operation);
            LogFailed(logger, operation, _registration.Id.Value, Describe(e));
            return false;
        }
    }

    private async Task BoundedAsync(Func<CancellationToken, Task> call, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(MeshRegistrationDefaults.CallTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        await call(both.Token).ConfigureAwait(false);
    }

    private static string Describe(Exception e) =>
        e is OperationCanceledException ? $"no answer within {MeshRegistrationDefaults.CallTimeout}" : e.Message;

    [LoggerMessage(160, LogLevel.Information, "Registered {Service} as {Instance} at {Host}:{Port}.")]
    private static partial void LogRegistered(ILogger logger, string service, string instance, string host, int port);

    [LoggerMessage(161, LogLevel.Warning, "The registry has lost {Instance}; registering it again.")]
    private static partial void LogForgotten(ILogger logger, string instance);

    [LoggerMessage(162, LogLevel.Warning, "Could not {Operation} {Instance}, and will go on trying where it matters: {Problem}")]
    private static partial void LogFailed(ILogger logger, string operation, string instance, string problem);

    [LoggerMessage(163, LogLevel.Information, "{Instance} has left the registry.")]
    private static partial void LogLeft(ILogger logger, string instance);
}
