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
/// </remarks>
internal sealed class CircuitBreaker
{
    private readonly string _service;
    private readonly bool _isConfigured;
    private readonly CircuitBreakerManualControl _control = new();
    private readonly CircuitBreakerStateProvider _states = new();
    private readonly ResiliencePipeline<OutboundAttempt> _pipeline;
    private volatile bool _isIsolated;

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
            OnOpened = arguments => Tell(arguments.IsManual ? MeshCircuitState.Isolated : MeshCircuitState.Open),
            OnClosed = _ => Tell(MeshCircuitState.Closed),
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

    /// <summary>Whether calls have to ask it. One that can neither open by itself nor was isolated has no say.</summary>
    public bool IsEngaged => _isConfigured || _isIsolated;

    public MeshCircuitState State => _states.CircuitState switch
    {
        CircuitState.Open => MeshCircuitState.Open,
        CircuitState.HalfOpen => MeshCircuitState.HalfOpen,
        CircuitState.Isolated => MeshCircuitState.Isolated,
        _ => MeshCircuitState.Closed,
    };

    public async Task IsolateAsync(CancellationToken cancellationToken)
    {
        // First, so that no call slips by between the two.
        _isIsolated = true;
        await _control.IsolateAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        await _control.CloseAsync(cancellationToken).ConfigureAwait(false);
        _isIsolated = false;
    }

    /// <summary>Makes a call's attempts, if they may be made, and learns from what came of them.</summary>
    /// <exception cref="MeshCallException">They may not.</exception>
    public async ValueTask<OutboundAttempt> ExecuteAsync(OutboundCall call, Func<OutboundCall, ValueTask<OutboundAttempt>> attemptsAsync)
    {
        var context = ResilienceContextPool.Shared.Get(call.Cancellation);
        try
        {
            var outcome = await _pipeline.ExecuteOutcomeAsync(
                static async (_, state) =>
                {
                    try
                    {
                        return Polly.Outcome.FromResult(await state.attemptsAsync(state.call).ConfigureAwait(false));
                    }
                    catch (Exception e)
                    {
                        return Polly.Outcome.FromException<OutboundAttempt>(e);
                    }
                },
                context,
                (call, attemptsAsync)).ConfigureAwait(false);
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

    private bool IsFailure(Outcome<OutboundAttempt> outcome, ResilienceContext context)
    {
        var isPointless = context.CancellationToken.IsCancellationRequested
            ? outcome.Result is not { Failure: null }
            : outcome.Result is { Failure: MeshCallException { Reason: MeshFailureReason.Unsupported } };
        return isPointless
            ? _states.CircuitState == CircuitState.HalfOpen
            : outcome.Result is not { Failure: null, Outcome.IsInstanceFailure: false };
    }

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
}

/// <summary>Where the circuit breaker stands among the stages; what it does is in <see cref="CircuitBreaker"/>.</summary>
internal sealed class CircuitBreakerStage() : CallStage("CircuitBreaker", StagePhases.None);
