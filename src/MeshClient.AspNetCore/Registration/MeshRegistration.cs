using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Listener;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;
using MeshClient.Identity;
using MeshClient.Resilience;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Registration;

/// <summary>
/// Registers this instance once its listener is bound, keeps it registered, and takes it out before the listener closes.
/// </summary>
/// <remarks>
/// The host tells all its services that it is stopping before it stops any of them, the server included: that is the time in
/// which callers are told and served at once. The order there: say that the instance stops (maintenance), go on until every
/// caller has heard, wait for requests under way, leave the registry. Only then does the server close. When the host's time
/// runs out before, leaving is still tried, for 2 s at most: an instance that stays behind is called until its time to live
/// is over.
/// </remarks>
internal sealed partial class MeshRegistration(
    RegistrationHeartbeatFactory heartbeats,
    MeshListener listener,
    RawListeners raw,
    MeshIdentity identity,
    MeshControlPlane controlPlane,
    InboundDrain drain,
    CallerFleet fleet,
    IdempotencyPublication idempotency,
    MeshRandom random,
    TimeProvider time,
    IOptions<MeshRegistrationOptions> options,
    IOptions<MeshInboundOptions> inbound,
    IOptions<MeshOptions> mesh,
    ILogger<MeshRegistration> logger) : IMeshRegistration, IAsyncDisposable
{
    // A registry that is well answers within milliseconds; one that is not must not hold up a host that is out of time.
    private static readonly TimeSpan LateLeaveTimeout = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private RegistrationHeartbeat? _heartbeat;
    private IDisposable? _endpointChanges;
    private string? _unfit;
    private volatile bool _draining;
    private volatile bool _ended;

    public InstanceId? InstanceId => _heartbeat?.Registration.Id;

    public RegistrationState State =>
        _ended ? RegistrationState.Ended
        : _draining ? RegistrationState.Draining
        : _heartbeat is not { } heartbeat ? RegistrationState.None
        : heartbeat.IsRegistered ? RegistrationState.Registered
        : RegistrationState.Pending;

    /// <summary>Begins to register, in the background. Called once the server has bound.</summary>
    /// <exception cref="InvalidOperationException">There is nothing to register at.</exception>
    public void Begin()
    {
        if (inbound.Value.Enabled && options.Value.Enabled && listener.EndPoint is { } endPoint)
        {
            var registrar = controlPlane.Registrar ?? throw new InvalidOperationException(
                "There is no registry to register at: set Mesh:ControlPlane:Address, or Mesh:Registration:Enabled to false.");
            var registration = Describe(
                Advertised(endPoint), options.Value.Port ?? endPoint.Port);
            fleet.Identify(registration.Id);
            var heartbeat = heartbeats(registrar, registration);
            lock (_lock)
            {
                _heartbeat = heartbeat;
                heartbeat.SetUnfit(_unfit);
            }

            _endpointChanges = idempotency.OnChange(() => DescribeAgain(heartbeat));
            // What has changed before it was listened to.
            DescribeAgain(heartbeat);
            heartbeat.Start();
        }
    }

    /// <summary>
    /// Says whether this instance can do what it is called for. While it cannot, it is in maintenance, or not registered at all if it
    /// has not been yet.
    /// </summary>
    /// <param name="problem">Why it cannot, in words; null: it can.</param>
    /// <returns>Whether that is news.</returns>
    public bool SetUnfit(string? problem)
    {
        lock (_lock)
        {
            var isNews = _unfit is null != problem is null;
            _unfit = problem;
            _heartbeat?.SetUnfit(problem);
            return isNews;
        }
    }

    /// <summary>Drains and leaves. Called while the server still serves.</summary>
    /// <param name="cancellationToken">
    /// Ends the drain early, when the host's time to shut down is over. The instance then leaves at once.
    /// </param>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        _endpointChanges?.Dispose();
        drain.Begin();
        if (_heartbeat is not { } heartbeat)
        {
            return;
        }

        _draining = true;
        // The beats end first: one that registers the instance anew must not come after it has left.
        await heartbeat.StopAsync().ConfigureAwait(false);
        try
        {
            if (await heartbeat.AnnounceStopAsync(cancellationToken).ConfigureAwait(false))
            {
                await Task.Delay(options.Value.DrainDelay, time, cancellationToken).ConfigureAwait(false);
            }

            drain.AskToEnd();
            await WaitUntilIdleAsync(cancellationToken).ConfigureAwait(false);
            await heartbeat.LeaveAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            LogCutShort(logger, drain.Active);
            await LeaveLateAsync(heartbeat).ConfigureAwait(false);
        }

        _ended = true;
    }

    // The container knows this object under several services and disposes it for each.
    public ValueTask DisposeAsync()
    {
        _endpointChanges?.Dispose();
        return Interlocked.Exchange(ref _heartbeat, null)?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    private async Task WaitUntilIdleAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.Value.DrainTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await drain.WaitUntilIdleAsync(both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            LogStillActive(logger, options.Value.DrainTimeout, drain.Active);
        }
    }

    private async Task LeaveLateAsync(RegistrationHeartbeat heartbeat)
    {
        using var bound = new CancellationTokenSource(LateLeaveTimeout, time);
        try
        {
            await heartbeat.LeaveAsync(bound.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (bound.IsCancellationRequested)
        {
            LogLeftBehind(logger, heartbeat.Registration.Id.Value, LateLeaveTimeout);
        }
    }

    private string Advertised(IPEndPoint endPoint) => options.Value.Address ?? AdvertisedAddress.Of(endPoint.Address);

    private InstanceRegistration Describe(string host, int port)
    {
        var service = identity.Service;
        var id = options.Value.InstanceId ?? string.Create(
            CultureInfo.InvariantCulture, $"{service}-{Environment.MachineName}-{port}-{(uint)random.NextBits():x8}");
        return new InstanceRegistration
        {
            Id = new InstanceId(id),
            Service = service,
            Endpoints = EquatableArray.From(raw.Named
                .Select(one => new InstanceEndpoint(one.Endpoint, Advertised(one.EndPoint), one.EndPoint.Port, InstanceSecurity.Mesh))
                .Prepend(new InstanceEndpoint(null, host, port, InstanceSecurity.Mesh))),
            TimeToLive = options.Value.TimeToLive,
            DeregisterAfter = options.Value.DeregisterAfter > TimeSpan.Zero ? options.Value.DeregisterAfter : null,
            Weight = options.Value.Weight,
            Tags = EquatableArray.From(options.Value.Tags),
            Meta = DescribeMeta(),
        };
    }

    private void DescribeAgain(RegistrationHeartbeat heartbeat)
    {
        lock (_lock)
        {
            var meta = DescribeMeta();
            if (!meta.SequenceEqual(heartbeat.Registration.Meta))
            {
                heartbeat.Update(heartbeat.Registration with { Meta = meta });
            }
        }
    }

    private ImmutableSortedDictionary<string, string> DescribeMeta()
    {
        var meta = options.Value.Meta.ToImmutableSortedDictionary(StringComparer.Ordinal);
        if (mesh.Value.Zone is { } zone && !meta.ContainsKey(ServiceInstance.ZoneMetaKey))
        {
            meta = meta.Add(ServiceInstance.ZoneMetaKey, zone);
        }

        // What was written by hand stands alone: a part of it would not be what its writer meant.
        return meta.Keys.Any(key => key.StartsWith(IdempotentEndpoints.MetaKey, StringComparison.Ordinal))
            ? meta
            : meta.AddRange(idempotency.Describe(meta.Count));
    }

    [LoggerMessage(151, LogLevel.Warning, "The host's time to shut down ended during the drain, with {Active} requests under way.")]
    private static partial void LogCutShort(ILogger logger, int active);

    [LoggerMessage(152, LogLevel.Warning, "{Active} requests are still under way {Timeout} after this instance stopped taking new ones; they are left to the server.")]
    private static partial void LogStillActive(ILogger logger, TimeSpan timeout, int active);

    [LoggerMessage(
        153,
        LogLevel.Warning,
        "{Instance} stays in the registry: leaving it was not answered within {Timeout}, and the host's time to shut down is over. Callers are sent there until its time to live is over.")]
    private static partial void LogLeftBehind(ILogger logger, string instance, TimeSpan timeout);
}
