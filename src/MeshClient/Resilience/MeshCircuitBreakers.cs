using System.Collections.Concurrent;
using MeshClient.Configuration;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Resilience;

/// <summary>
/// The circuit breakers of the services this process calls, to look at and to work by hand. Take it from the container. Any
/// service can be isolated, with or without <see cref="MeshDestinationOptions.CircuitBreaker"/> enabled for it.
/// </summary>
public sealed partial class MeshCircuitBreakers
{
    private readonly MeshOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<MeshCircuitBreakers> _logger;

    // Kept for as long as the process lives: a service that was isolated stays so, however long nobody calls it.
    private readonly ConcurrentDictionary<ServiceName, CircuitBreaker> _breakers = new();

    internal MeshCircuitBreakers(IOptions<MeshOptions> options, TimeProvider time, ILogger<MeshCircuitBreakers> logger)
    {
        _options = options.Value;
        _time = time;
        _logger = logger;
    }

    /// <summary>
    /// A circuit breaker has changed its state. Raised once per change and in their order, on a thread of the pool; must not block. What a listener throws is logged, and touches neither calls nor the other listeners.
    /// </summary>
    public event EventHandler<MeshCircuitStateChangedEventArgs>? StateChanged;

    internal IEnumerable<CircuitBreaker> All => _breakers.Values.Where(breaker => breaker.IsEngaged);

    /// <summary>Whether calls to a service are let through now.</summary>
    /// <param name="service">The service's name.</param>
    /// <exception cref="FormatException">It is no service name.</exception>
    public MeshCircuitState StateOf(string service) => For(ServiceName.Parse(service)).State;

    /// <summary>Refuses all calls to a service until <see cref="CloseAsync"/>; those in flight go on.</summary>
    /// <param name="service">The service's name, whether it has been called or not.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="FormatException">It is no service name.</exception>
    public Task IsolateAsync(string service, CancellationToken cancellationToken = default) =>
        For(ServiceName.Parse(service)).IsolateAsync(cancellationToken);

    /// <summary>Lets calls to a service through again, whether it was isolated by hand or opened by failures.</summary>
    /// <param name="service">The service's name.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="FormatException">It is no service name.</exception>
    public Task CloseAsync(string service, CancellationToken cancellationToken = default) =>
        For(ServiceName.Parse(service)).CloseAsync(cancellationToken);

    internal CircuitBreaker For(ServiceName service) => _breakers.TryGetValue(service, out var breaker)
        ? breaker
        : _breakers.GetOrAdd(service, static (name, self) => new CircuitBreaker(
            name.Value, DestinationSettings.For(self._options, name.Value).CircuitBreaker, self._time, self.OnChanged), this);

    private void OnChanged(string service, MeshCircuitState state)
    {
        if (state == MeshCircuitState.Closed)
        {
            LogClosed(_logger, service);
        }
        else
        {
            LogNotClosed(_logger, service, state);
        }

        if (StateChanged is not { } listeners)
        {
            return;
        }

        var change = new MeshCircuitStateChangedEventArgs(service, state);
        foreach (var listener in Delegate.EnumerateInvocationList(listeners))
        {
            try
            {
                listener(this, change);
            }
            catch (Exception e)
            {
                LogListenerFailed(_logger, service, state, e);
            }
        }
    }

    [LoggerMessage(30, LogLevel.Warning, "The circuit breaker of service {Service} is now {State}.")]
    private static partial void LogNotClosed(ILogger logger, string service, MeshCircuitState state);

    [LoggerMessage(31, LogLevel.Information, "The circuit breaker of service {Service} is closed again.")]
    private static partial void LogClosed(ILogger logger, string service);

    [LoggerMessage(32, LogLevel.Error, "A listener of StateChanged threw when the circuit breaker of service {Service} became {State}.")]
    private static partial void LogListenerFailed(ILogger logger, string service, MeshCircuitState state, Exception exception);
}
