using MeshClient.Core.Overload;

namespace MeshClient.Core.Tests.Overload;

/// <summary>Settings of a learned limit, with the constants of Netflix's concurrency-limits.</summary>
internal static class LimitSettings
{
    public static AdaptiveLimitSettings Of(LimitAlgorithm algorithm, int initial = 20, int min = 1, int max = 200) =>
        new(algorithm, initial, min, max, TimeSpan.FromSeconds(1), LatencyTolerance: 1.5, BackoffRatio: 0.9, TimeSpan.FromSeconds(5));
}
