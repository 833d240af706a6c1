namespace MeshClient.Core.Overload;

/// <summary>What a limit learns from: the calls that ended in one window.</summary>
/// <param name="Latency">What they took on average, in ticks; 0 when that is not known, because all were refused.</param>
/// <param name="InFlight">The most that were in flight at the end of any of them.</param>
/// <param name="HasDropped">Whether one was refused for overload, or given up because it took too long.</param>
internal readonly record struct LimitSample(double Latency, int InFlight, bool HasDropped);
