namespace MeshClient.Core.Overload;

/// <summary>How a limit of calls in flight is learned: what is in force.</summary>
/// <param name="Algorithm">By which rule.</param>
/// <param name="Initial">The limit before anything is known.</param>
/// <param name="Min">The least limit.</param>
/// <param name="Max">The greatest limit.</param>
/// <param name="Window">How long calls are collected before the limit changes.</param>
/// <param name="LatencyTolerance">How many times slower calls may become before <see cref="LimitAlgorithm.Gradient2"/> shrinks.</param>
/// <param name="BackoffRatio">What <see cref="LimitAlgorithm.Aimd"/> multiplies the limit with when it shrinks.</param>
/// <param name="LatencyLimit">Above which latency <see cref="LimitAlgorithm.Aimd"/> shrinks.</param>
internal sealed record AdaptiveLimitSettings(
    LimitAlgorithm Algorithm,
    int Initial,
    int Min,
    int Max,
    TimeSpan Window,
    double LatencyTolerance,
    double BackoffRatio,
    TimeSpan LatencyLimit);
