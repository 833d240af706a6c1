using MeshClient.Configuration;
using MeshClient.Core.Overload;
using MeshClient.Outbound;

namespace MeshClient.Overload;

/// <summary>What is counted and learned of one service so that it does not get more calls than it can take.</summary>
internal sealed class OverloadState : IDisposable
{
    private readonly int _most;
    private readonly AdaptiveLimit? _adaptive;

    public OverloadState(DestinationSettings settings, TimeProvider time, MeshRandom random)
    {
        _most = settings.MaxConcurrency;
        var overload = settings.Overload;
        _adaptive = overload.Adaptive is { } adaptive
            ? new AdaptiveLimit(adaptive, time.TimestampFrequency, random.NextDouble)
            : null;
        Limiter = new AdmissionLimiter(Math.Min(_most, _adaptive?.Current ?? _most), overload.QueueLength);
        Rate = overload.Rate is { } rate ? new TokenBucket(rate, time) : null;
        Throttle = overload.Throttling is { } throttling
            ? new AdaptiveThrottle(
                throttling.Multiplier, (long)(throttling.Window.TotalSeconds * time.TimestampFrequency), throttling.MaxProbability)
            : null;
    }

    public AdmissionLimiter Limiter { get; }

    /// <summary>How many calls per second; null: any.</summary>
    public TokenBucket? Rate { get; }

    /// <summary>What refuses calls the service would refuse; null: nothing.</summary>
    public AdaptiveThrottle? Throttle { get; }

    /// <summary>Whether the limit is learned.</summary>
    public bool IsAdaptive => _adaptive is not null;

    /// <summary>Takes in what came of a call, as far as its latest attempt tells.</summary>
    /// <param name="call">The call, which has ended.</param>
    /// <param name="inFlight">How many were in flight, it included.</param>
    /// <param name="now">The timestamp.</param>
    public void Learn(OutboundCall call, int inFlight, long now)
    {
        if (_adaptive is null || call.Attempt is not { } attempt)
        {
            return;
        }

        // To the head of the answer: how long a body lasts is the reader's doing as much as the service's.
        if (attempt.Latency is not { } latency)
        {
            return;
        }

        var mayHaveChanged = AttemptLoad.Of(attempt) switch
        {
            LoadSign.Served => _adaptive.Completed(now, latency, inFlight),
            LoadSign.Refused => _adaptive.Refused(now, inFlight),
            LoadSign.TimedOut => _adaptive.TimedOut(now, latency, inFlight),
            LoadSign.GivenUp => _adaptive.GivenUp(now, latency, inFlight),
            _ => false,
        };
        if (mayHaveChanged)
        {
            Limiter.Limit = Math.Min(_most, _adaptive.Current);
        }
    }

    public void Dispose() => Rate?.Dispose();
}
