using System.Net;
using MeshClient.Outbound;
using MeshClient.Telemetry;
using Polly;
using Polly.Retry;

namespace MeshClient.Resilience;

/// <summary>
/// Tries a call again at another instance when that is allowed and useful. Polly does the repeating; it is entered only when a
/// first attempt has failed in a way worth repeating, so calls that succeed do not pay for it.
/// </summary>
/// <remarks>
/// Back-off: <see cref="RetryBackoff"/>. An instance that asks for a pause (<c>Retry-After</c>, RFC 9110;
/// <c>grpc-retry-pushback-ms</c>, gRPC A6) gets it before that time. A retry is made
/// when all of these hold: the number of attempts is not used up, hedges included, <see cref="Repeatability"/> allows it, the
/// deadline will not have passed by then, and the service's <see cref="RetryBudget"/> gives one. The budget is asked last, because
/// asking spends.
/// </remarks>
internal sealed class RetryStage : CallStage
{
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly MeshTelemetry _telemetry;
    private readonly ResiliencePipeline<OutboundAttempt> _pipeline;

    public RetryStage(TimeProvider time, MeshRandom random, MeshTelemetry telemetry)
        : base("Retry", StagePhases.Enter | StagePhases.Responded)
    {
        _time = time;
        _random = random;
        _telemetry = telemetry;
        _pipeline = new ResiliencePipelineBuilder<OutboundAttempt> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<OutboundAttempt>
            {
                // The service's own number is less or equal, and counted in IsWanted.
                MaxRetryAttempts = int.MaxValue,
                ShouldHandle = arguments => ValueTask.FromResult(TrySpend(arguments.Outcome.Result!)),
                DelayGenerator = arguments => ValueTask.FromResult<TimeSpan?>(Delay(arguments.AttemptNumber, arguments.Outcome.Result!)),
                OnRetry = arguments =>
                {
                    // A response that is not the call's answer would keep its connection busy.
                    arguments.Outcome.Result!.Response?.Dispose();
                    return ValueTask.CompletedTask;
                },
            })
            .Build();
    }

    /// <summary>Has the body kept while it is being sent, where that was asked for.</summary>
    public override ValueTask EnterAsync(OutboundCall call)
    {
        var service = call.Destination.Service;
        if (call.IsUpload && call.Request.Content is { } content and not (ByteArrayContent or ReadOnlyMemoryContent)
            && (call.Request.Options.TryGetValue(MeshRequestOptions.ReplayBody, out var asked) ? asked : service.Settings.Retry.ReplayStreams)
            && service.Settings.MaxRetries > 0)
        {
            call.Request.Content = new ReplayContent(content, service.Settings.Retry.MaxReplayBytes);
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Gives the app its own content back. What is still being sent goes on from where it is.</summary>
    public override void Responded(OutboundCall call)
    {
        if (call.IsUpload && UploadContent.Unwrap(call.Request.Content) is ReplayContent replay)
        {
            call.Request.Content = replay.Inner;
        }
    }

    /// <summary>Counts a call into the budget of its service: only one that is being sent may pay for retries.</summary>
    public static void Count(OutboundCall call) => call.Destination.Service.RetryBudget.Deposit(call.StartedAt);

    /// <summary>Whether an attempt failed in a way that another attempt could mend. Spends nothing.</summary>
    public bool IsWanted(OutboundAttempt attempt)
    {
        var outcome = attempt.Outcome;
        if (attempt.Response is { } response && (int)response.StatusCode < (int)HttpStatusCode.BadRequest && outcome.GrpcStatus is null or GrpcStatus.Ok)
        {
            return false;
        }

        var call = attempt.Call;
        return call.Attempts <= call.Destination.Service.Settings.MaxRetries
            && !attempt.MissedDeadline
            && Repeatability.Allows(attempt)
            && (call.DeadlineAt == long.MaxValue
                || _time.GetElapsedTime(_time.GetTimestamp(), call.DeadlineAt) > (outcome.RetryAfter ?? TimeSpan.Zero));
    }

    /// <summary>Makes further attempts until one is good, or no more are allowed.</summary>
    /// <param name="first">The first attempt, which failed.</param>
    /// <param name="attemptAsync">Makes one attempt.</param>
    /// <returns>The attempt that counts.</returns>
    public async Task<OutboundAttempt> RepeatAsync(OutboundAttempt first, Func<OutboundCall, ValueTask<OutboundAttempt>> attemptAsync)
    {
        var context = ResilienceContextPool.Shared.Get(first.Call.Cancellation);
        try
        {
            var outcome = await _pipeline.ExecuteOutcomeAsync(
                static async (_, state) => Polly.Outcome.FromResult(
                    // Polly's first turn is the attempt already made.
                    state.Turns++ == 0 ? state.First : await state.AttemptAsync(state.First.Call).ConfigureAwait(false)),
                context,
                new Repetition(first, attemptAsync)).ConfigureAwait(false);
            outcome.ThrowIfException();
            return outcome.Result!;
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private bool TrySpend(OutboundAttempt attempt)
    {
        if (!IsWanted(attempt))
        {
            return false;
        }

        var service = attempt.Call.Destination.Service;
        var tag = new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, service.Service.Value);
        if (!service.RetryBudget.TryWithdraw(attempt.RespondedAt))
        {
            _telemetry.BudgetExhausted.Add(1, tag);
            attempt.Call.IsOutOfBudget = true;
            return false;
        }

        _telemetry.Retries.Add(1, tag);
        attempt.Call.MarkTried(attempt.Instance);
        return true;
    }

    private TimeSpan Delay(int retry, OutboundAttempt failed)
    {
        var call = failed.Call;
        var settings = call.Destination.Service.Settings.Retry;
        return RetryBackoff.Of(
            retry,
            settings.BaseDelay,
            settings.MaxDelay,
            failed.Outcome.RetryAfter ?? TimeSpan.Zero,
            call.DeadlineAt == long.MaxValue ? null : _time.GetElapsedTime(_time.GetTimestamp(), call.DeadlineAt),
            _random.NextDouble());
    }

    private sealed class Repetition(OutboundAttempt first, Func<OutboundCall, ValueTask<OutboundAttempt>> attemptAsync)
    {
        public OutboundAttempt First { get; } = first;

        public Func<OutboundCall, ValueTask<OutboundAttempt>> AttemptAsync { get; } = attemptAsync;

        public int Turns { get; set; }
    }
}
