using MeshClient.Outbound;
using Polly;

namespace MeshClient.Resilience;

/// <summary>
/// The attempts of one call that are on their way at once. One wins; the others are cancelled, and what they still bring is
/// thrown away, whenever it comes.
/// </summary>
/// <param name="call">The call.</param>
/// <param name="address">Its address as the app wrote it.</param>
/// <param name="pipeline">What leads attempts down their stages.</param>
internal sealed class HedgeRace(OutboundCall call, Uri address, OutboundPipeline pipeline)
{
    private readonly Lock _lock = new();
    private readonly Lock _message = new();
    private readonly List<OutboundAttempt> _attempts = [];
    private readonly List<OutboundAttempt> _finished = [];
    private bool _isDecided;
    private volatile bool _isStopped;

    public OutboundCall Call { get; } = call;

    /// <summary>Whether the first attempt is in it.</summary>
    public bool HasBegun => _attempts.Count > 0;

    /// <summary>Whether an instance has asked that nothing be tried again.</summary>
    public bool IsStopped => _isStopped;

    /// <summary>Sees an attempt through that has been sent.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="sending">The answer to come; null when the attempt failed on the way.</param>
    /// <param name="lost">Fires when another has won.</param>
    public async ValueTask<Outcome<OutboundAttempt>> RunAsync(
        OutboundAttempt attempt, Task<HttpResponseMessage>? sending, CancellationToken lost)
    {
        _attempts.Add(attempt);
        // Polly lets nobody go before all attempts have come to their end.
        await using var registration = lost.UnsafeRegister(static state => SupersedeUnlessGivenUp((OutboundAttempt)state!), attempt).ConfigureAwait(false);
        if (sending is not null)
        {
            await ((Task)sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        ValueTask<OutboundAttempt> finishing;
        lock (_message)
        {
            // Takes what is the attempt's own off the app's message again, at once since the answer is there; not while that is being
            // copied.
            finishing = pipeline.FinishAsync(attempt, sending);
        }

        await finishing.ConfigureAwait(false);
        _isStopped |= attempt.Outcome.ForbidsRetry || attempt.Outcome.Verdict == AttemptVerdict.Shed;
        bool isLate;
        lock (_lock)
        {
            isLate = _isDecided;
            _finished.Add(attempt);
        }

        if (isLate)
        {
            attempt.Response?.Dispose();
        }

        return Polly.Outcome.FromResult(attempt);
    }

    /// <summary>Makes a further attempt, at an instance none of the others went to.</summary>
    /// <param name="lost">Fires when another has won.</param>
    public ValueTask<Outcome<OutboundAttempt>> HedgeAsync(CancellationToken lost)
    {
        foreach (var other in _attempts)
        {
            Call.MarkTried(other.Instance);
        }

        HttpRequestMessage copy;
        lock (_message)
        {
            copy = RequestCopy.Of(_attempts[0], address);
        }

        var attempt = new OutboundAttempt(Call, ++Call.Attempts) { Request = copy, IsHedge = true };
        return RunAsync(attempt, pipeline.Begin(attempt), lost);
    }

    /// <summary>Ends it.</summary>
    /// <param name="winner">The attempt that counts; null: none does, because the app gave up.</param>
    /// <returns>How many further attempts there were, and whether one of them won.</returns>
    public (int Hedges, bool HasWon) Settle(OutboundAttempt? winner)
    {
        List<OutboundAttempt> finished;
        lock (_lock)
        {
            _isDecided = true;
            finished = [.. _finished];
        }

        foreach (var attempt in _attempts)
        {
            if (ReferenceEquals(attempt, winner))
            {
                continue;
            }

            if (finished.Contains(attempt))
            {
                attempt.Response?.Dispose();
            }
            else
            {
                attempt.Supersede();
            }
        }

        // A retry is not to go to the last one either. There is none where a pick found nothing.
        if (_attempts is [.., { Instance: { } last }])
        {
            Call.MarkTried(last);
        }

        if (winner is not null)
        {
            Call.Attempt = winner;
            if (winner.IsHedge && winner.Response is { } response)
            {
                response.RequestMessage = Call.Request;
            }
        }

        return (Math.Max(0, _attempts.Count - 1), winner is { IsHedge: true });
    }

    // The same token fires when the app gives up, of which every attempt hears by itself.
    private static void SupersedeUnlessGivenUp(OutboundAttempt attempt)
    {
        if (!attempt.Call.Cancellation.IsCancellationRequested)
        {
            attempt.Supersede();
        }
    }
}
