using System.Diagnostics;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Resilience;
using MeshClient.Transport;

namespace MeshClient.Outbound;

/// <summary>One try of a call at one instance, until its answer has been read to the end or thrown away.</summary>
/// <remarks>As with <see cref="OutboundCall"/>, what few attempts need is apart.</remarks>
internal sealed class OutboundAttempt(OutboundCall call, int number)
{
    private readonly short _number = checked((short)number);
    private AttemptTimer? _timer;
    private Details? _details;
    private byte _entered;

    public OutboundCall Call { get; } = call;

    /// <summary>What is sent: the app's own request, or a copy of it where another attempt is still using that.</summary>
    public HttpRequestMessage Request
    {
        get => _details?.Request ?? Call.Request;
        init => Written.Request = value;
    }

    /// <summary>1 for the first.</summary>
    public int Number => _number;

    public InstanceState Instance { get; set; } = null!;

    /// <summary>On what terms the instance took it.</summary>
    public Admission Admission { get; set; }

    public long StartedAt { get; set; }

    /// <summary>The timestamp at which the head of the answer, or the failure, was there.</summary>
    public long RespondedAt { get; set; }

    /// <summary>The timestamp at which its upload had been sent; 0: it has none, or the head of the answer came before.</summary>
    public long SentAt
    {
        get => _details?.SentAt ?? 0;
        set => Written.SentAt = value;
    }

    /// <summary>
    /// What the instance took to answer, in ticks: how long an upload lasts is the app's doing. Null while that cannot be told apart,
    /// because the head of the answer came, or the attempt ended, before the upload did.
    /// </summary>
    public long? Latency => SentAt is var sentAt && sentAt == 0 && Call.IsUpload ? null : Math.Max(0, RespondedAt - Math.Max(StartedAt, sentAt));

    /// <summary>The span of an attempt after the first, whose span is the call's; null when nobody listens.</summary>
    public Activity? Activity
    {
        get => _details?.Activity;
        set
        {
            if (value is not null)
            {
                Written.Activity = value;
            }
        }
    }

    /// <summary>Whether a span is recorded of it.</summary>
    public bool IsTraced => Call.Activity is { IsAllDataRequested: true };

    /// <summary>Whether the app itself wrote a trace into the request.</summary>
    public bool AppSetTrace
    {
        get => _details?.AppSetTrace == true;
        set => Written.AppSetTrace = value;
    }

    /// <summary>Whether it was made while another attempt of the call was on its way.</summary>
    public bool IsHedge
    {
        get => _details?.IsHedge == true;
        init => Written.IsHedge = value;
    }

    /// <summary>Cancels the attempt when its time is over or the app gives up.</summary>
    public AttemptTimer? Timer
    {
        get => _timer;
        set => _timer = value;
    }

    /// <summary>Whether the attempt's time ends because the call's does, rather than by a limit of its own.</summary>
    public bool EndsWithCall { get; set; }

    public ConnectionPool? Pool { get; set; }

    /// <summary>The address as the app wrote it, when it had to be changed for the way.</summary>
    public Uri? OriginalUri { get; set; }

    /// <summary>Whether the request was given an empty body for the way.</summary>
    public bool AddedContent
    {
        get => _details?.AddedContent == true;
        set => Written.AddedContent = value;
    }

    /// <summary>Whether anything of the body has been read, as far as that can matter: of one that can be read only once.</summary>
    public bool BodyBegun
    {
        get => _details?.BodyBegun == true;
        set => Written.BodyBegun = value;
    }

    /// <summary>Whether reading the answer is limited by the ambient deadline, with <see cref="Timer"/>.</summary>
    public bool IsBodyLimited
    {
        get => _details?.IsBodyLimited == true;
        set => Written.IsBodyLimited = value;
    }

    /// <summary>
    /// The timestamp since which a reader under that deadline has waited for the first byte of the answer's body; 0: none waits.
    /// </summary>
    public long WaitingSince
    {
        get => _details?.WaitingSince ?? 0;
        set => Written.WaitingSince = value;
    }

    /// <summary>The header that tells the instance how much time is left; null: it was not written by us.</summary>
    public string? TimeoutHeader
    {
        get => _details?.TimeoutHeader;
        set => Written.TimeoutHeader = value;
    }

    /// <summary>What the app itself had written there.</summary>
    public string? AppTimeout
    {
        get => _details?.AppTimeout;
        set => Written.AppTimeout = value;
    }

    /// <summary>Which of the call's forwarded headers were written to the request, a bit for each.</summary>
    public ulong ForwardedHeaders
    {
        get => _details?.ForwardedHeaders ?? 0;
        set
        {
            if (value != 0 || _details is not null)
            {
                Written.ForwardedHeaders = value;
            }
        }
    }

    /// <summary>How far the attempt has come down the stages.</summary>
    public int Entered
    {
        get => _entered;
        set => _entered = (byte)value;
    }

    public HttpResponseMessage? Response { get; set; }

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

    /// <summary>The app's own exception, when that is why it failed; known from when <see cref="Outcome"/> is. Null: it is not.</summary>
    public Exception? AppFailure
    {
        get => _details?.AppFailure;
        set
        {
            if (value is not null)
            {
                Written.AppFailure = value;
            }
        }
    }

    /// <summary>
    /// What came of it. Known when the head of the answer or the failure is there, before the stages are told; judged once more
    /// when it has ended, since a body can break and gRPC tells its status last.
    /// </summary>
    public AttemptOutcome Outcome { get; private set; }

    /// <summary>What the head of the answer, or the failure, had told of <see cref="Outcome"/>.</summary>
    public AttemptVerdict HeadVerdict { get; private set; }

    /// <summary>Whether it was cancelled because another attempt of the call was good, which says nothing of the instance.</summary>
    public bool IsSuperseded { get; set; }

    /// <summary>
    /// Whether it failed because the call's time was over. The clock alone cannot tell, since a timer may fire a moment early.
    /// </summary>
    public bool MissedDeadline => Failure is OperationCanceledException && (EndsWithCall || RespondedAt >= Call.DeadlineAt);

    /// <summary>Why reading the answer's body failed; null when it did not.</summary>
    public Exception? BodyFailure
    {
        get => _details?.BodyFailure;
        set
        {
            if (value is not null || _details is not null)
            {
                Written.BodyFailure = value;
            }
        }
    }

    /// <summary>Whether nothing more can come of it: failed, or the answer read to the end.</summary>
    public bool HasEnded { get; set; }

    private Details Written => _details ??= new Details();

    /// <summary>Takes the timer, so that nobody else does: it can be given back or be fired, not both.</summary>
    public AttemptTimer? TakeTimer()
    {
        if (Call.IsHedged)
        {
            return Interlocked.Exchange(ref _timer, null);
        }

        // Only another attempt of the same call would want it at the same time.
        var timer = _timer;
        _timer = null;
        return timer;
    }

    /// <summary>Cancels it because another attempt of the call is good.</summary>
    public void Supersede()
    {
        IsSuperseded = true;
        TakeTimer()?.Spend();
    }

    /// <summary>Makes it as new, for another call.</summary>
    /// <returns>False: it cannot, since what few attempts need was made for it, or it was one of several.</returns>
    public bool TryReset()
    {
        if (_details is not null || _timer is not null || Call.IsHedged)
        {
            return false;
        }

        (Instance, Pool, OriginalUri, Response) = (null!, null, null, null);
        (Admission, StartedAt, RespondedAt, _entered) = (default, 0, 0, 0);
        (EndsWithCall, Outcome, HeadVerdict, IsSuperseded, HasEnded) = (false, default, default, false, false);
        return true;
    }

    /// <summary>Judges by the head of the answer, or the failure.</summary>
    public void JudgeHead(TimeProvider time)
    {
        Outcome = OutcomeClassifier.AtHead(this, time);
        HeadVerdict = Outcome.Verdict;
    }

    /// <summary>Judges again by the end of the answer.</summary>
    public void JudgeEnd(TimeProvider time) => Outcome = OutcomeClassifier.AtEnd(this, time);

    // An attempt that has these is not used again: the reader of an answer that is limited by a deadline goes on holding it.
    private sealed class Details
    {
        public long SentAt { get; set; }

        public long WaitingSince { get; set; }

        public HttpRequestMessage? Request { get; set; }

        public Activity? Activity { get; set; }

        public string? TimeoutHeader { get; set; }

        public string? AppTimeout { get; set; }

        public ulong ForwardedHeaders { get; set; }

        public Exception? Failure { get; set; }

        public Exception? BodyFailure { get; set; }

        public Exception? AppFailure { get; set; }

        public bool AppSetTrace { get; set; }

        public bool IsHedge { get; set; }

        public bool AddedContent { get; set; }

        public bool BodyBegun { get; set; }

        public bool IsBodyLimited { get; set; }
    }
}
