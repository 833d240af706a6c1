using System.Reflection;

namespace MeshClient.Configuration;

/// <summary>Fills what options leave open from the profile they name.</summary>
internal static class DestinationProfiles
{
    private static readonly MeshDestinationOptions Hystrix = new()
    {
        CallTimeout = TimeSpan.FromSeconds(1), // execution.isolation.thread.timeoutInMilliseconds
        AttemptTimeout = TimeSpan.FromSeconds(1),
        MaxConcurrency = 10, // coreSize, and execution.isolation.semaphore.maxConcurrentRequests
        MaxRetries = 0,
        CircuitBreaker = new MeshCircuitBreakerOptions
        {
            Enabled = true, // circuitBreaker.enabled
            SamplingDuration = TimeSpan.FromSeconds(10), // metrics.rollingStats.timeInMilliseconds
            MinimumThroughput = 20, // circuitBreaker.requestVolumeThreshold
            FailureRatio = 0.5, // circuitBreaker.errorThresholdPercentage
            BreakDuration = TimeSpan.FromSeconds(5), // circuitBreaker.sleepWindowInMilliseconds
        },
    };

    /// <summary>The options with the values of their profile where they have none of their own; themselves when they name none.</summary>
    public static MeshDestinationOptions? Complete(MeshDestinationOptions? options) =>
        options?.Profile == MeshProfile.Hystrix ? (MeshDestinationOptions)Fill(options, Hystrix) : options;

    // Options are plain classes of nullable properties, some of which are such classes again. Done at start, not per call.
    private static object Fill(object own, object profile)
    {
        var type = own.GetType();
        var filled = Activator.CreateInstance(type)!;
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(one => one.CanWrite))
        {
            var (mine, given) = (property.GetValue(own), property.GetValue(profile));
            var isNested = SectionChecks.IsOptions(property.PropertyType);
            property.SetValue(filled, isNested && mine is not null && given is not null ? Fill(mine, given) : mine ?? given);
        }

        return filled;
    }
}
