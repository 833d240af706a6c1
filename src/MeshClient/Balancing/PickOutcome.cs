using System.Net;

namespace MeshClient.Balancing;

/// <summary>What came of an attempt, for the picker that chose its instance.</summary>
/// <param name="Kind">How it ended.</param>
/// <param name="Latency">From the pick, or from the end of sending a body that takes long, to the head of the answer or to the failure.</param>
/// <param name="StatusCode">The answer's status; null when there was none.</param>
public readonly record struct PickOutcome(PickOutcomeKind Kind, TimeSpan Latency, HttpStatusCode? StatusCode);

/// <summary>How an attempt ended.</summary>
public enum PickOutcomeKind
{
    /// <summary>The instance answered, and with nothing that tells against it.</summary>
    Success,

    /// <summary>
    /// It failed in a way that tells against the instance: no answer, an answer that broke off, or one that says that it is
    /// overloaded or broken.
    /// </summary>
    Failure,

    /// <summary>Nothing can be said of the instance: the app gave up, or this process refused the attempt by itself.</summary>
    Unknown,
}
