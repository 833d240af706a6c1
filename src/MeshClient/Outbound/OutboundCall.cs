using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using MeshClient.Dialing;
using MeshClient.Discovery;
using MeshClient.Forwarding;

namespace MeshClient.Outbound;

/// <summary>One call an app made, from its start until its answer has been read to the end. Everything all attempts share.</summary>
/// <remarks>
/// Every call needs one, so what few calls need is apart, in an object that is made when it is first written to; and it serves another call
/// when it has come to its end by the short way. For that nobody may know of it any more: whoever goes on holding a call, or its attempt,
/// when it has ended has to see to it that <see cref="TryReset"/> refuses.
/// </remarks>
internal sealed class OutboundCall
{
    private AsyncTaskMethodBuilder<HttpResponseMessage> _promise;
    private OutboundAttempt? _own;
    private int _letGo;
    private Details? _details;
    private short _attempts;
    private byte _entered;
    private Marking _marking;
    private bool _hasEnded;

    public OutboundCall(
        HttpRequestMessage request, Destination destination, long startedAt, MeshCallException? rejection, CancellationToken cancellation) =>
        Begin(request, destination, startedAt, rejection, cancellation);

    private enum Marking : byte
    {
        Unknown,
        Marked,
        Unmarked,
        BelievedOfInstances,
    }

    public HttpRequestMessage Request { get; private set; }

    public Destination Destination { get; private set; }

    /// <summary>What the app cancels with.</summary>
    public CancellationToken Cancellation { get; private set; }

    public long StartedAt { get; private set; }

    /// <summary>
    /// The timestamp from which the first attempt may be made: later than the start for a call that had to wait, for others or until it was known
    /// where its service is.
    /// </summary>
    public long ReadyAt
    {
        get => _details is { ReadyAt: > 0 and var at } ? at : StartedAt;
        set => Written.ReadyAt = value;
    }

    /// <summary>Why the call cannot be made, as far as its destination is concerned; null when it can.</summary>
    public MeshCallException? Rejection => _details?.Rejection;

    /// <summary>Whether sending the body may take long, so that the call's own time limit counts from its end.</summary>
    public bool IsUpload { get; private set; }

    /// <summary>The timestamp at which the call's time is over.</summary>
    public long DeadlineAt { get; set; } = long.MaxValue;

    /// <summary>The timestamp at which the deadline of what the call belongs to is over: unlike the call's own limits, answer and all.</summary>
    public long AmbientDeadlineAt
    {
        get => _details?.AmbientDeadlineAt ?? long.MaxValue;
        set => Written.AmbientDeadlineAt = value;
    }

    /// <summary>Whether the request may be executed twice as far as this side knows; null while nobody has asked.</summary>
    public bool? IsMarked
    {
        get => _marking == Marking.Unknown ? null : _marking == Marking.Marked;
        set => _marking = value switch { null => Marking.Unknown, true => Marking.Marked, false => Marking.Unmarked };
    }

    /// <summary>Whether it is repeated, if it is, only because the instances say that it may be.</summary>
    public bool BelievesInstances => _marking == Marking.BelievedOfInstances;

    /// <summary>Whether several attempts were on their way at once.</summary>
    public bool IsHedged { get; set; }

    /// <summary>Whether a retry was wanted and not in the budget.</summary>
    public bool IsOutOfBudget
    {
        get => _details?.IsOutOfBudget == true;
        set => Written.IsOutOfBudget = value;
    }

    /// <summary>Whether the app was given a failure in place of an answer; one that comes after the answer is none.</summary>
    public bool HasNoAnswer
    {
        get => _details?.HasNoAnswer == true;
        set => Written.HasNoAnswer = value;
    }

    /// <summary>Whether it went through a circuit breaker that was not closed, which has judged it.</summary>
    public bool IsBehindBreaker
    {
        get => _details?.IsBehindBreaker == true;
        set => Written.IsBehindBreaker = value;
    }

    /// <summary>What it takes along of the request it is made for, where it is an instance of the mesh; null: nothing.</summary>
    public ForwardableHeader[]? Forwarded
    {
        get => _details?.Forwarded;
        set
        {
            if (value is not null)
            {
                Written.Forwarded = value;
            }
        }
    }

    /// <summary>The call's span; null when nobody listens.</summary>
    public Activity? Activity { get; set; }

    /// <summary>The latest attempt, or the one that counts; null before the first.</summary>
    public OutboundAttempt? Attempt { get; set; }

    /// <summary>The first attempt, once another has been made; null before.</summary>
    public OutboundAttempt? First
    {
        get => _details?.First;
        set => Written.First = value;
    }

    /// <summary>How many attempts were made.</summary>
    public int Attempts
    {
        get => _attempts;
        set => _attempts = checked((short)value);
    }

    /// <summary>Why the call failed; null while it has not.</summary>
    public Exception? Failure
    {
        get => _details?.Failure;
        set
        {
            if (value is not null || _details is not null)
            {
                Written.Failure = value;
            }
        }
    }

    /// <summary>Whether what came of the call is known only at its end: its answer's head is there, and is gRPC without a status.</summary>
    public bool IsJudgedAtEnd => !HasNoAnswer && Attempt is { HeadVerdict: AttemptVerdict.Undecided };

    /// <summary>How far the call has come down the stages.</summary>
    public int Entered
    {
        get => _entered;
        set => _entered = (byte)value;
    }

    /// <summary>Whether the outcome is known.</summary>
    public bool HasResponded { get; private set; }

    /// <summary>Whether its answer had ended before the app was given it, as one without a body has: it ended with its head, then.</summary>
    public bool EndedWithHead { get; set; }

    /// <summary>The timestamp at which the outcome was known; 0 while it is not.</summary>
    public long RespondedAt
    {
        get => !HasResponded ? 0 : _details is { RespondedAt: > 0 and var at } ? at : Attempt!.RespondedAt;
        set
        {
            HasResponded = true;
            // Nearly always the latest attempt's.
            if (Attempt?.RespondedAt != value)
            {
                Written.RespondedAt = value;
            }
        }
    }

    /// <summary>Instances this call has sent an attempt to.</summary>
    public ReadOnlySpan<InstanceState> Tried => _details is { } details ? details.Tried : [];

    /// <summary>The answer, for the app.</summary>
    public Task<HttpResponseMessage> Task => _promise.Task;

    /// <summary>What gives the app its answer, also when the call is another one already.</summary>
    public AsyncTaskMethodBuilder<HttpResponseMessage> Promise => _promise;

    /// <summary>Completed when the call ends; null: nobody waits for that.</summary>
    public TaskCompletionSource? Ending => _details?.Ending;

    private Details Written => _details ??= new Details();

    /// <summary>Takes in what is called.</summary>
    [MemberNotNull(nameof(Request), nameof(Destination))]
    public void Begin(
        HttpRequestMessage request, Destination destination, long startedAt, MeshCallException? rejection, CancellationToken cancellation)
    {
        Request = request;
        Destination = destination;
        Cancellation = cancellation;
        StartedAt = startedAt;
        IsUpload = UploadContent.IsUpload(request.Content);
        if (rejection is not null)
        {
            Written.Rejection = rejection;
        }
    }

    /// <summary>Begins its first attempt.</summary>
    public OutboundAttempt BeginFirst()
    {
        Attempts = 1;
        return _own ??= new OutboundAttempt(this, 1);
    }

    /// <summary>Makes it as new, so that it can be another call. It has ended, and nobody else knows of it.</summary>
    /// <returns>False: it cannot, since what few calls need was made for it, or something may still know of it.</returns>
    public bool TryReset()
    {
        // A body that is uploaded, a connection and a fallback know their call, and go by their own time.
        if (_details is not null
            || _attempts > 1
            || IsUpload
            || Request is DialRequest
            || Destination.Service.Settings.Fallback is not null
            || _own?.TryReset() != true)
        {
            return false;
        }

        (Request, Destination, Cancellation, Activity, Attempt) = (null!, null!, default, null, null);
        (_promise, _attempts, _entered, _marking, _hasEnded) = (default, 0, 0, Marking.Unknown, false);
        (DeadlineAt, HasResponded, EndedWithHead, _letGo) = (long.MaxValue, false, false, 0);
        return true;
    }

    /// <summary>From here on each instance that gets it has to say that it may be executed twice.</summary>
    public void BelieveInstances() => _marking = Marking.BelievedOfInstances;

    public void MarkTried(InstanceState instance) => Written.Tried = [.. Tried, instance];

    /// <summary>Waits for the call's end. Asked for before the app has the answer.</summary>
    public Task WhenEnded() => (Written.Ending = new TaskCompletionSource()).Task;

    /// <summary>Gives the app its answer. The app goes on from here.</summary>
    public void Complete(HttpResponseMessage response) => _promise.SetResult(response);

    /// <summary>
    /// Lets go of it. Two have it on the short way, who may be done in either order: the pipeline until the app is given the answer, and the
    /// answer's body until it has ended.
    /// </summary>
    /// <returns>Whether it was the second, so that nobody has it any more.</returns>
    public bool LetGo() => Volatile.Read(ref _letGo) == 1 || Interlocked.Increment(ref _letGo) == 2;

    /// <summary>Tells the app that there is none.</summary>
    public void Complete(Exception failure) => _promise.SetException(failure);

    /// <summary>True the first time only: a call ends once, whoever sees its end first.</summary>
    public bool TryEnd() => !Interlocked.Exchange(ref _hasEnded, true);

    // A call that has these is not used again: some of them are for those who go on holding it.
    private sealed class Details
    {
        public long ReadyAt { get; set; }

        public MeshCallException? Rejection { get; set; }

        public long AmbientDeadlineAt { get; set; } = long.MaxValue;

        public long RespondedAt { get; set; }

        public bool IsOutOfBudget { get; set; }

        public bool HasNoAnswer { get; set; }

        public bool IsBehindBreaker { get; set; }

        public OutboundAttempt? First { get; set; }

        public ForwardableHeader[]? Forwarded { get; set; }

        public TaskCompletionSource? Ending { get; set; }

        public Exception? Failure { get; set; }

        public InstanceState[] Tried { get; set; } = [];
    }
}
