using MeshClient.Outbound;

namespace MeshClient.Overload;

/// <summary>What an attempt tells of how loaded the service is.</summary>
internal enum LoadSign
{
    /// <summary>Nothing: it was not made, did not arrive, or failed for another reason.</summary>
    None,

    /// <summary>It was served, in the time it took.</summary>
    Served,

    /// <summary>It was refused because the service has too much to do, or cannot serve at all.</summary>
    Refused,

    /// <summary>It was not answered in time.</summary>
    TimedOut,

    /// <summary>The app did not wait for the answer.</summary>
    GivenUp,
}

/// <summary>Reads that out of an attempt's outcome, once that is final.</summary>
internal static class AttemptLoad
{
    public static LoadSign Of(OutboundAttempt attempt) =>
        attempt.Response is not null ? OfAnswer(attempt.Outcome)
        : attempt.Failure is not OperationCanceledException || attempt.Pool is null || attempt.IsSuperseded || attempt.AppFailure is not null ? LoadSign.None
        : attempt.Call.Cancellation.IsCancellationRequested ? LoadSign.GivenUp
        : LoadSign.TimedOut;

    private static LoadSign OfAnswer(in AttemptOutcome outcome) =>
        outcome.IsOverload || outcome.Verdict == AttemptVerdict.Unavailable ? LoadSign.Refused
        : outcome.IsSuccess ? LoadSign.Served
        : LoadSign.None;
}
