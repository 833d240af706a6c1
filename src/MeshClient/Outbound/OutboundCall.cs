using System.Diagnostics;
using MeshClient.Discovery;

namespace MeshClient.Outbound;

/// <summary>One call an app made, from its start until its answer has been read to the end. Everything all attempts share.</summary>
internal sealed class OutboundCall(
    HttpRequestMessage request, Destination destination, long startedAt, MeshCallException? rejection, CancellationToken cancellation)
{
    private InstanceState[] _tried = [];
    private int _ended;

    public HttpRequestMessage Request { get; } = request;

    public Destination Destination { get; } = destination;

    /// <summary>What the app cancels with.</summary>
    public CancellationToken Cancellation { get; } = cancellation;

    public long StartedAt { get; } = startedAt;

    /// <summary>The timestamp from which the first attempt may be made: later than the start for a call that had to wait for others.</summary>
    public long ReadyAt { get; set; } = startedAt;

    /// <summary>Why the call cannot be made, as far as its destination is concerned; null when it can.</summary>
    public MeshCallException? Rejection { get; } = rejection;

    /// <summary>Whether sending the body may take long, so that the call's own time limit counts from its end.</summary>
    public bool IsUpload { get; } = UploadContent.IsUpload(request.Content);

    /// <summary>The timestamp at which the call's time is over.</summary>
    public long DeadlineAt { get; set; } = long.MaxValue;

    /// <summary>The timestamp at which the deadline of what the call belongs to is over: unlike the call's own limits, answer and all.</summary>
    public long AmbientDeadlineAt { get; set; } = long.MaxValue;

    /// <summary>Whether the request may be executed twice; null while nobody has asked.</summary>
    public bool? MayRunTwice { get; set; }

    /// <summary>Whether several attempts were on their way at once.</summary>
    public bool IsHedged { get; set; }

    /// <summary>Whether a retry was wanted and not in the budget.</summary>
    public bool IsOutOfBudget { get; set; }

    /// <summary>The call's span; null when nobody listens.</summary>
    public Activity? Activity { get; set; }

    /// <summary>The latest attempt; null before the first.</summary>
    public OutboundAttempt? Attempt { get; set; }

    /// <summary>How many attempts were made.</summary>
    public int Attempts { get; set; }

    /// <summary>Why the call failed; null while it has not.</summary>
    public Exception? Failure { get; set; }

    /// <summary>How far the call has come down the stages.</summary>
    public int Entered { get; set; }

    /// <summary>The timestamp at which the outcome was known.</summary>
    public long RespondedAt { get; set; }

    /// <summary>Instances this call has sent an attempt to.</summary>
    public ReadOnlySpan<InstanceState> Tried => _tried;

    public void MarkTried(InstanceState instance) => _tried = [.. _tried, instance];

    /// <summary>True the first time only: a call ends once, whoever sees its end first.</summary>
    public bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;
}
