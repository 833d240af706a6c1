using MeshClient.Configuration;
using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// When, and how many, slow calls to one service are made a second time. Shared by all its clients.
/// </summary>
/// <remarks>
/// Finagle, com.twitter.finagle.client.BackupRequestFilter: what is learned from are the successes, and what took so long that it
/// was given up, be it for its time limit or because another attempt won; a failure that came fast says nothing of how long
/// an answer takes. Learned anew every 3 s from the last 30 s. Its budget has no reserve: where no call is made none is
/// made twice.
/// </remarks>
internal sealed class HedgingState
{
    private readonly HedgingSettings _settings;
    private readonly LatencyHistogram? _latencies;
    private readonly int _leastCalls;
    private readonly long _refreshTicks;
    private long _refreshAt;
    private long _delayTicks;

    public HedgingState(HedgingSettings settings, TimeProvider time)
    {
        _settings = settings;
        Budget = new RetryBudget(settings.BudgetRatio, 0, MeshDefaults.RetryBudgetWindow, time.TimestampFrequency);
        if (settings.Delay is { } delay)
        {
            _delayTicks = delay.Ticks;
            _refreshAt = long.MaxValue;
            return;
        }

        _latencies = new LatencyHistogram(MeshDefaults.HedgingWindow, time.TimestampFrequency);
        _refreshTicks = (long)(MeshDefaults.HedgingRefresh.TotalSeconds * time.TimestampFrequency);
        _refreshAt = time.GetTimestamp() + _refreshTicks;
        // Of fewer calls the percentile would be no more than the slowest.
        _leastCalls = (int)Math.Ceiling(1 / (1 - settings.Quantile));
    }

    public RetryBudget Budget { get; }

    public int MaxHedges => _settings.MaxHedges;

    /// <summary>How long a call may take now before it is made a second time. Null: that has not been learned.</summary>
    public TimeSpan? Delay => Volatile.Read(ref _delayTicks) is > 0 and var ticks ? TimeSpan.FromTicks(ticks) : null;

    /// <summary>The same for a call that begins.</summary>
    public TimeSpan? DelayAt(long now)
    {
        var due = Volatile.Read(ref _refreshAt);
        if (now >= due && Interlocked.CompareExchange(ref _refreshAt, now + _refreshTicks, due) == due)
        {
            var learned = _latencies!.Quantile(_settings.Quantile, _leastCalls, now);
            Volatile.Write(ref _delayTicks, learned is { } latency ? Math.Max(latency.Ticks, HedgingSettings.LeastDelay.Ticks) : 0);
        }

        return Delay;
    }

    /// <summary>Learns from an attempt.</summary>
    public void Record(OutboundAttempt attempt)
    {
        if (_latencies is not null
            && (attempt.Outcome.IsSuccess || !attempt.Outcome.IsFinal || attempt.IsSuperseded || attempt.Failure is OperationCanceledException)
            && attempt.AppFailure is null)
        {
            _latencies.Record(attempt.RespondedAt - attempt.StartedAt, attempt.RespondedAt);
        }
    }
}
