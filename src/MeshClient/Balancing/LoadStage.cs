using System.Net;
using MeshClient.Configuration;
using MeshClient.Outbound;

namespace MeshClient.Balancing;

/// <summary>
/// Keeps an instance's load: a call in flight from here until its answer has been read to the end, its latency to the head
/// of the answer. An answer that says "overloaded" or "broken" counts as a slow one, or failing fast would attract calls.
/// </summary>
internal sealed class LoadStage() : AttemptStage("Load", StageScope.Instance)
{
    public override void Enter(OutboundAttempt attempt) => attempt.Instance.Load.Begin();

    public override void Responded(OutboundAttempt attempt)
    {
        // A call the app gave up on took at least as long as it waited; that much is known.
        var latency = (double)(attempt.RespondedAt - attempt.StartedAt);
        attempt.Instance.Load.Observe(IsPenalised(attempt) ? Math.Max(latency, attempt.Instance.FailureLatency) : latency, attempt.RespondedAt);
    }

    public override void Ended(OutboundAttempt attempt) => attempt.Instance.Load.End();

    private static bool IsPenalised(OutboundAttempt attempt) =>
        attempt.Response is { } response
            ? response.StatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError
            // What this process refused by itself says nothing about the instance.
            : attempt.Failure is not (null or MeshCallException) && !attempt.Call.Cancellation.IsCancellationRequested;
}
