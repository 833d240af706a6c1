namespace MeshClient.Configuration;

/// <summary>A set of values that a destination starts from.</summary>
public enum MeshProfile
{
    /// <summary>Those of <see cref="MeshDefaults"/>.</summary>
    Standard,

    /// <summary>
    /// Those of Netflix Hystrix (HystrixCommandProperties, HystrixThreadPoolProperties), for apps that come from it: a call takes at
    /// most 1 s, at most 10 are in flight, none is tried again, and a circuit breaker opens for 5 s when of at least 20
    /// calls in 10 s half have failed. A call that is refused for either reason, or fails, goes to
    /// <see cref="MeshDestinationOptions.Fallback"/>.
    /// </summary>
    Hystrix,
}
