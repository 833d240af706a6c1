using Quickstart.Services;

namespace Quickstart.Story;

/// <summary>The figures of the last seconds, put together from the reports of web.</summary>
internal sealed class LoadBoard
{
    private const int KeptReports = 12;
    private readonly Lock _lock = new();
    private readonly Queue<LoadFigures> _recent = new();
    private readonly HashSet<string> _peers = [];
    private long _succeeded;
    private long _denied;
    private long _failed;
    private string? _lastProblem;

    public void Add(LoadFigures figures)
    {
        lock (_lock)
        {
            _recent.Enqueue(figures);
            if (_recent.Count > KeptReports)
            {
                _recent.Dequeue();
            }

            _succeeded += figures.Succeeded;
            _denied += figures.Denied;
            _failed += figures.Failed;
            _lastProblem = figures.Problem ?? _lastProblem;
            _peers.UnionWith(figures.Peers);
        }
    }

    /// <summary>All since the start.</summary>
    public Totals Totals
    {
        get
        {
            lock (_lock)
            {
                return new Totals(_succeeded, _denied, _failed, _lastProblem);
            }
        }
    }

    /// <summary>The last three seconds.</summary>
    public Recent Recent
    {
        get
        {
            lock (_lock)
            {
                var latencies = _recent.SelectMany(one => one.Latencies).Order().ToArray();
                var shares = _recent.SelectMany(one => one.Shares)
                    .GroupBy(pair => pair.Key, pair => pair.Value)
                    .ToDictionary(group => group.Key, group => group.Sum());
                var seconds = Math.Max(1, _recent.Count) / 4.0;
                return new Recent(
                    latencies.Length / seconds,
                    Percentile(latencies, 0.5),
                    Percentile(latencies, 0.99),
                    _recent.Sum(one => one.Denied),
                    _recent.Sum(one => one.Failed),
                    shares,
                    [.. _peers.Order(StringComparer.Ordinal)]);
            }
        }
    }

    /// <summary>Forgets the last seconds, so that what comes is not mixed with what was.</summary>
    public void ClearRecent()
    {
        lock (_lock)
        {
            _recent.Clear();
        }
    }

    private static double Percentile(double[] sorted, double share) =>
        sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * share))];
}

internal sealed record Totals(long Succeeded, long Denied, long Failed, string? LastProblem);

internal sealed record Recent(
    double PerSecond, double P50, double P99, int Denied, int Failed, IReadOnlyDictionary<string, int> Shares, IReadOnlyList<string> Peers)
{
    /// <summary>An instance's share of its service's calls, 0 to 1.</summary>
    public double ShareOf(string instance)
    {
        var service = instance[..(instance.IndexOf('/', StringComparison.Ordinal) + 1)];
        var all = Shares.Where(pair => pair.Key.StartsWith(service, StringComparison.Ordinal)).Sum(pair => pair.Value);
        return all == 0 ? 0 : (double)Shares.GetValueOrDefault(instance) / all;
    }
}
