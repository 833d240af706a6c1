namespace MeshClient.Simulation.Engine;

/// <summary>What came of the calls of a run.</summary>
internal sealed class Recording
{
    private readonly List<(TimeSpan StartedAt, TimeSpan Took, bool Succeeded)> _calls = [];

    public int Count => _calls.Count;

    public void Add(TimeSpan startedAt, TimeSpan took, bool succeeded) => _calls.Add((startedAt, took, succeeded));

    /// <summary>The share that succeeded, of the calls that began in a span.</summary>
    public double Success(TimeSpan from, TimeSpan to)
    {
        var calls = _calls.Where(call => call.StartedAt >= from && call.StartedAt < to).ToList();
        return calls.Count == 0 ? 1 : (double)calls.Count(call => call.Succeeded) / calls.Count;
    }

    public double Success() => Success(TimeSpan.Zero, TimeSpan.MaxValue);

    /// <summary>A percentile of the time that the calls of a span took, failed ones included.</summary>
    public TimeSpan Percentile(double percentile, TimeSpan from, TimeSpan to)
    {
        var sorted = _calls.Where(call => call.StartedAt >= from && call.StartedAt < to).Select(call => call.Took).Order().ToList();
        return sorted.Count == 0 ? TimeSpan.Zero : sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * percentile / 100))];
    }

    public TimeSpan Percentile(double percentile) => Percentile(percentile, TimeSpan.Zero, TimeSpan.MaxValue);
}
