namespace MeshClient.Resilience;

/// <summary>Whether calls to a service are let through.</summary>
public enum MeshCircuitState
{
    /// <summary>All are; also where there is no circuit breaker.</summary>
    Closed,

    /// <summary>One is, to find out whether the service is well again; all others are refused.</summary>
    HalfOpen,

    /// <summary>None is, because too many failed.</summary>
    Open,

    /// <summary>None is, until somebody says so by <see cref="MeshCircuitBreakers.CloseAsync"/>.</summary>
    Isolated,
}

/// <summary>A circuit breaker has changed its state.</summary>
/// <param name="service">The service the calls go to.</param>
/// <param name="state">The new state.</param>
public sealed class MeshCircuitStateChangedEventArgs(string service, MeshCircuitState state) : EventArgs
{
    /// <summary>The service the calls go to.</summary>
    public string Service { get; } = service;

    /// <summary>The new state.</summary>
    public MeshCircuitState State { get; } = state;
}
