using System.Globalization;
using MeshClient.Outbound;
using Polly;
using Polly.CircuitBreaker;

namespace MeshClient.Resilience;

/// <summary>
/// Refuses the calls to one service while too many fail, by Polly. Judges calls, not attempts: a failure that a retry at
/// another instance made good is none.
/// </summary>
/// <remarks>
/// The call that is let through after a while has to prove something: when its caller gives it up, or it never gets as far as
/// an instance for a reason of its own, the circuit stays open. While the circuit is closed such calls count among the good
/// ones, since Polly has no third way; what the app gives up on by itself is better limited by a timeout of the mesh.
/// A gRPC call whose status comes in the trailers is judged when they are there; its answer is handed on at once all the same.
/// While the circuit is closed, calls pass beside it, and Polly is told what came of them. A call goes through it when it is not:
/// then it may be refused, or be the one that is let through.
/// </remarks>
internal sealed class CircuitBreaker
{
    // What Polly is told of a call that passed beside it, while the circuit was closed.
    private static readonly OutboundAttempt Good = new(null!, 1);
    private static readonly OutboundAttempt Bad = new(null!, 1);

    private readonly string _service;
    private readonly bool _isConfigured;
    private readonly CircuitBreakerManualControl _control = new();
    private readonly CircuitBreakerStateProvider _states = new();
    private readonly ResiliencePipeline<OutboundAttempt> _pipeline;
    private readonly Lock _isolating = new();
    // As Polly says, which takes a lock for it. A moment sooner where it is isolated, so that no call slips by; a moment later where a call
    // that passes beside it opens it, and when those who listen have heard of what was before where it is closed again, or opened by a
    // call that went through Polly.
    private volatile bool _isClosed = true;

    /// <param name="service">Whose calls.</param>
    /// <param name="settings">When it opens by itself; null: never.</param>
    /// <param name="time">The clock.</param>
    /// <param name="changed">Told of every change of state.</param>
    public CircuitBreaker(string service, CircuitBreakerSettings? settings, TimeProvider time, Action<string, MeshCircuitState> changed)
    {
        _service = service;
        _isConfigured = settings is not null;
        var options = new CircuitBreakerStrategyOptions<OutboundAttempt>
        {
            ShouldHandle = arguments => ValueTask.FromResult(_isConfigured && IsFailure(arguments.Outcome, arguments.Context)),
            ManualControl = _control,
            StateProvider = _states,
            OnOpened = arguments =>
            {
                FollowState();
                return Tell(arguments.IsManual ? MeshCircuitState.Isolated : MeshCircuitState.Open);
            },
            OnClosed = _ =>
            {
                FollowState();
                return Tell(MeshCircuitState.Closed);
            },
            OnHalfOpened = _ => Tell(MeshCircuitState.HalfOpen),
        };
        if (settings is not null)
        {
            options.FailureRatio = settings.FailureRatio;
            options.MinimumThroughput = settings.MinimumThroughput;
            options.SamplingDuration = settings.SamplingDuration;
            options.BreakDuration = settings.BreakDuration;
        }

        _pipeline = new ResiliencePipelineBuilder<OutboundAttempt> { TimeProvider = time }.AddCircuitBreaker(options).Build();

        ValueTask Tell(MeshCircuitState state)
        {
            changed(service, state);
            return ValueTask.CompletedTask;
        }
    }

    public string Service => _service;

    /// <summary>Whether it has any say: it can open by itself, or was isolated.</summary>
    public bool IsEngaged => _isConfigured || !_isClosed;

    /// <summary>Whether a call passes beside it.</summary>
    public bool IsClosed => _isClosed;

    public MeshCircuitState State => _states.CircuitState switch
    {
        CircuitState.Open => MeshCircuitState.Open,
        CircuitState.HalfOpen => MeshCircuitState.HalfOpen,
        CircuitState.Isolated => MeshCircuitState.Isolated,
        _ => MeshCircuitState.Closed,
    };

    public async Task IsolateAsync(CancellationToken cancellationToken)
    {
        Task isolating;
        lock (_isolating)
        {
            _isClosed = false;
            isolating = _control.IsolateAsync(cancellationToken);
        }

        await isolating.ConfigureAwait(false);
    }

    public Task CloseAsync(CancellationToken cancellationToken) => _control.CloseAsync(cancellationToken);

    /// <summary>Makes a call's attempts, if they may be made, and learns from what came of them.</summary>
    /// <returns>The attempt that counts, when the head of its answer is there.</returns>
    /// <exception cref="MeshCallException">They may not.</exception>
    public ValueTask<OutboundAttempt> ExecuteAsync(OutboundCall call, Func<OutboundCall, ValueTask<OutboundAttempt>> attemptsAsync)
    {
        if (!OutcomeClassifier.MayBeGrpc(call.Request))
        {
            return JudgeAsync(new Execution(call, attemptsAsync, Head: null));
        }

        var head = new TaskCompletionSource<OutboundAttempt>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = TellHeadAsync(new Execution(call, attemptsAsync, head));
        return new ValueTask<OutboundAttempt>(head.Task);
    }

    /// <summary>Learns from what came of a call that passed beside it.</summary>
    public void Learn(OutboundCall call)
    {
        if (!_isConfigured || call.Attempt is not { } last || !_isClosed)
        {
            return;
        }

        // One that failed between two attempts, as when it was given up, has no attempt that counts.
        var attempt = call.HasNoAnswer && last.Failure is null ? null : last;
        var isBad = !IsPointless(attempt, call.Cancellation) && IsFailure(attempt);
        var context = ResilienceContextPool.Shared.Get(CancellationToken.None);
        var telling = _pipeline.ExecuteOutcomeAsync(
            static (_, isBad) => new ValueTask<Outcome<OutboundAttempt>>(Polly.Outcome.FromResult(isBad ? Bad : Good)), context, isBad);
        var isRefused = false;
        if (telling.IsCompletedSuccessfully)
        {
            isRefused = telling.Result.Exception is not null;
            ResilienceContextPool.Shared.Return(context);
        }
        else
        {
            // It opens by this, and those who listen for that take their time.
            _ = ReturnAsync(telling, context);
        }

        if (isBad || isRefused)
        {
            // Before those who listen have heard: the next call is to be refused.
            FollowState();
        }
    }

    private static async Task ReturnAsync(ValueTask<Outcome<OutboundAttempt>> telling, ResilienceContext context)
    {
        try
        {
            await telling.ConfigureAwait(false);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    // By what is so now: Polly tells of a change as soon as the listeners are done with those before, and by then it may have been
    // isolated again.
    private void FollowState()
    {
        lock (_isolating)
        {
            _isClosed = _states.CircuitState == CircuitState.Closed;
        }
    }

    // Returns when the call is judged, which for one whose status comes last is at its end.
    private async ValueTask<OutboundAttempt> JudgeAsync(Execution execution)
    {
        var context = ResilienceContextPool.Shared.Get(execution.Call.Cancellation);
        try
        {
            var outcome = await _pipeline.ExecuteOutcomeAsync(
                static async (_, execution) =>
                {
                    try
                    {
                        var attempt = await execution.AttemptsAsync(execution.Call).ConfigureAwait(false);
                        if (attempt is { Failure: null, Outcome.IsFinal: false })
                        {
                            var ended = execution.Call.WhenEnded();
                            execution.Head!.SetResult(attempt);
                            await ended.ConfigureAwait(false);
                        }

                        return Polly.Outcome.FromResult(attempt);
                    }
                    catch (Exception e)
                    {
                        return Polly.Outcome.FromException<OutboundAttempt>(e);
                    }
                },
                context,
                execution).ConfigureAwait(false);
            if (outcome.Exception is BrokenCircuitException refusal)
            {
                throw Refused(refusal);
            }

            outcome.ThrowIfException();
            return outcome.Result!;
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private async Task TellHeadAsync(Execution execution)
    {
        try
        {
            execution.Head!.TrySetResult(await JudgeAsync(execution).ConfigureAwait(false));
        }
        catch (Exception e)
        {
            execution.Head!.TrySetException(e);
        }
    }

    private bool IsFailure(Outcome<OutboundAttempt> outcome, ResilienceContext context)
    {
        if (ReferenceEquals(outcome.Result, Bad))
        {
            return true;
        }

        if (ReferenceEquals(outcome.Result, Good))
        {
            // That a call went well which passed while the circuit was closed must not close it, were it told so late.
            return _states.CircuitState != CircuitState.Closed;
        }

        return IsPointless(outcome.Result, context.CancellationToken)
            ? _states.CircuitState == CircuitState.HalfOpen
            : IsFailure(outcome.Result);
    }

    // Null: it failed by an exception.
    private static bool IsPointless(OutboundAttempt? attempt, CancellationToken cancellation) => attempt switch
    {
        { AppFailure: not null } or { Failure: MeshCallException { Reason: MeshFailureReason.Unsupported } } => true,
        { Failure: null } => attempt.Outcome.Verdict == AttemptVerdict.NotTelling,
        _ => cancellation.IsCancellationRequested,
    };

    private static bool IsFailure(OutboundAttempt? attempt) => attempt is not { Failure: null, Outcome.IsInstanceFailure: false };

    private MeshCallException Refused(BrokenCircuitException refusal) => new(
        MeshFailureReason.CircuitOpen,
        _service,
        "CircuitBreaker",
        refusal is IsolatedCircuitException
            ? $"Call to '{_service}' was not made: the service has been isolated by hand (MeshCircuitBreakers), until it is closed again."
            : $"Call to '{_service}' was not made: too many calls to it failed (CircuitBreaker). {Retry(refusal.RetryAfter)}",
        refusal);

    private static string Retry(TimeSpan? after) => after is { } left
        ? string.Create(CultureInfo.InvariantCulture, $"The next one is let through in {left.TotalSeconds:0.0} s.")
        : "One is let through now, and the others as soon as that has succeeded.";

    /// <param name="Call">The call.</param>
    /// <param name="AttemptsAsync">Makes its attempts.</param>
    /// <param name="Head">Told of the attempt that counts before the call is judged; null: the call is judged by the head of its answer.</param>
    private sealed record Execution(
        OutboundCall Call, Func<OutboundCall, ValueTask<OutboundAttempt>> AttemptsAsync, TaskCompletionSource<OutboundAttempt>? Head);
}
