namespace MeshClient.Outbound;

/// <summary>What one run of a stage belongs to.</summary>
public enum StageScope
{
    /// <summary>What the app asked for; runs once per call.</summary>
    Call,

    /// <summary>One try; runs once per attempt.</summary>
    Attempt,

    /// <summary>One endpoint's own state, shared by all calls.</summary>
    Instance,
}

/// <summary>A stage's name and scope, as read back from a built pipeline.</summary>
/// <param name="Name">The stage's name, as errors give it.</param>
/// <param name="Scope">What one run of it belongs to.</param>
public sealed record StageDescriptor(string Name, StageScope Scope);

/// <summary>
/// When a stage has something to do. It is not asked at other times: most stages care for one or two of these, and every call
/// would pay for the rest.
/// </summary>
[Flags]
internal enum StagePhases
{
    None = 0,
    Enter = 1,
    Responded = 2,
    Judged = 4,
    Ended = 8,
    AllOfAttempts = Enter | Responded | Ended,
}

/// <summary>
/// A stage of the call scope. Stages are walked, not nested: each says what it does on the way in, when the outcome is known
/// and when the answer's body has been read to the end, so that none costs an asynchronous frame of its own.
/// </summary>
/// <remarks>When a call has ended, its objects may serve another: a stage holds on to neither call nor attempt.</remarks>
internal abstract class CallStage(string name, StagePhases phases)
{
    public StageDescriptor Descriptor { get; } = new(name, StageScope.Call);

    /// <summary>Which of the methods below are called.</summary>
    public StagePhases Phases { get; } = phases;

    /// <summary>On the way in. A task that is not complete delays the call; an exception fails it.</summary>
    public virtual ValueTask EnterAsync(OutboundCall call) => ValueTask.CompletedTask;

    /// <summary>The head of the answer is there, or the call has failed. Called for every stage the call came past.</summary>
    public virtual void Responded(OutboundCall call)
    {
    }

    /// <summary>
    /// What came of the call is known: with the head of the answer, or with its end where that is gRPC and the head tells no status.
    /// Called once, after <see cref="Responded"/> and before <see cref="Ended"/>.
    /// </summary>
    /// <param name="call">The call.</param>
    /// <param name="now">The present timestamp.</param>
    public virtual void Judged(OutboundCall call, long now)
    {
    }

    /// <summary>The answer has been read to the end or disposed, or the call has failed. Called once, after <see cref="Responded"/>.</summary>
    public virtual void Ended(OutboundCall call)
    {
    }
}

/// <summary>A stage of the attempt or instance scope. See <see cref="CallStage"/>.</summary>
internal abstract class AttemptStage(string name, StageScope scope, StagePhases phases = StagePhases.AllOfAttempts)
{
    public StageDescriptor Descriptor { get; } = new(name, scope);

    /// <summary>Which of the methods below are called.</summary>
    public StagePhases Phases { get; } = phases;

    /// <summary>On the way in; an exception fails the attempt.</summary>
    public virtual void Enter(OutboundAttempt attempt)
    {
    }

    /// <summary>The head of the answer is there, or the attempt has failed.</summary>
    public virtual void Responded(OutboundAttempt attempt)
    {
    }

    /// <summary>The answer has been read to the end or disposed, or the attempt has failed. Called once.</summary>
    public virtual void Ended(OutboundAttempt attempt)
    {
    }
}

/// <summary>A stage and its place in the order.</summary>
/// <param name="Position">0 for the first.</param>
/// <param name="Stage">The stage.</param>
internal readonly record struct StageStep<TStage>(int Position, TStage Stage);
