using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Telemetry;
using Polly;
using Polly.Hedging;

namespace MeshClient.Resilience;

/// <summary>
/// Makes a call that takes unusually long a second time, at another instance, and takes the answer that comes first. Polly runs
/// the race; it is entered only when there is one, so a call that is answered in time pays for a timer and no more.
/// </summary>
/// <remarks>
/// Dean, Barroso: "The Tail at Scale", 2013; Finagle, BackupRequestFilter; gRPC, A6. Only calls that may be executed twice, with
/// no body or one that is held in memory; only while an instance is left that the call has not gone to; and only while both
/// budgets last, its own (<see cref="HedgingState"/>) and that of all retries. Every answer that is no success waits for the
/// other attempts, since they are on their way anyhow; if none succeeds, the first attempt's failure is the call's, and may be
/// retried.
/// </remarks>
internal sealed class HedgeStage : CallStage
{
    private const int MostHedges = 4;
    private static readonly ResiliencePropertyKey<HedgeRace> RaceKey = new("MeshClient.HedgeRace");

    private readonly MeshTelemetry _telemetry;
    private readonly HedgeTimer.Pool _timers;
    private readonly OutboundPipeline _pipeline;
    private readonly TimeProvider _time;
    private readonly ResiliencePipeline<OutboundAttempt>[] _races;

    public HedgeStage(OutboundPipeline pipeline, TimeProvider time, MeshTelemetry telemetry)
        : base("Hedge", StagePhases.None)
    {
        _pipeline = pipeline;
        _time = time;
        _telemetry = telemetry;
        _timers = new HedgeTimer.Pool(time, pipeline.Answered, pipeline.HedgeDue);
        _races = [.. Enumerable.Range(1, MostHedges).Select(Build)];
    }

    /// <summary>Whether a call may be made a second time. Spends nothing.</summary>
    public static bool IsWanted(OutboundCall call) =>
        call.Destination.Service.Hedging is not null && !call.IsUpload && call.Destination.Callable.Length > 1 && Repeatability.MayRunTwice(call);

    /// <summary>Counts a call that may be made a second time into the budget of its service.</summary>
    public static void Count(OutboundCall call) => call.Destination.Service.Hedging!.Budget.Deposit(call.StartedAt);

    /// <summary>Learns from an attempt at which it would have taken too long.</summary>
    public static void Learn(OutboundAttempt attempt)
    {
        if (IsWanted(attempt.Call))
        {
            attempt.Call.Destination.Service.Hedging!.Record(attempt);
        }
    }

    /// <summary>Has the pipeline told when the first attempt is answered, or has taken too long.</summary>
    /// <returns>False: what is too long is not known.</returns>
    public bool TryAwait(OutboundAttempt first, Task<HttpResponseMessage> sending)
    {
        if (Delay(first.Call) is not { } delay)
        {
            return false;
        }

        _timers.Await(first, sending, delay);
        return true;
    }

    /// <summary>The same for who waits for the attempt.</summary>
    /// <returns>The attempt that counts.</returns>
    public async ValueTask<OutboundAttempt> AttemptAsync(OutboundCall call)
    {
        Count(call);
        var first = new OutboundAttempt(call, ++call.Attempts);
        var sending = _pipeline.Begin(first);
        return sending is { IsCompleted: false } && Delay(call) is { } delay && !await IsAnsweredAsync(sending, delay).ConfigureAwait(false)
            ? await RaceAsync(first, sending).ConfigureAwait(false)
            : await _pipeline.FinishAsync(first, sending).ConfigureAwait(false);
    }

    /// <summary>Makes other attempts beside one that takes too long, if the budgets allow it, and waits for the best.</summary>
    /// <returns>The attempt that counts.</returns>
    public async Task<OutboundAttempt> RaceAsync(OutboundAttempt first, Task<HttpResponseMessage> sending)
    {
        var call = first.Call;
        if (!TrySpend(call))
        {
            return await _pipeline.FinishAsync(first, sending).ConfigureAwait(false);
        }

        call.IsHedged = true;
        var race = new HedgeRace(call, first.OriginalUri ?? call.Request.RequestUri!, _pipeline);
        OutboundAttempt? winner = null;
        var context = ResilienceContextPool.Shared.Get(call.Cancellation);
        try
        {
            context.Properties.Set(RaceKey, race);
            var outcome = await _races[call.Destination.Service.Hedging!.MaxHedges - 1].ExecuteOutcomeAsync(
                static (inner, state) => state.race.RunAsync(state.first, state.sending, inner.CancellationToken), context, (race, first, sending)).ConfigureAwait(false);
            if (!race.HasBegun)
            {
                // The app gave up just before, and Polly does not begin what is given up; but the attempt is on its way.
                return await _pipeline.FinishAsync(first, sending).ConfigureAwait(false);
            }

            outcome.ThrowIfException();
            return winner = outcome.Result!;
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
            var (hedges, hasWon) = race.Settle(winner);
            _telemetry.Hedges.Add(
                hedges,
                new(MeshTelemetry.ServiceTag, call.Destination.Service.Service.Value),
                new(MeshTelemetry.OutcomeTag, hasWon ? "won" : "lost"));
        }
    }

    private static TimeSpan? Delay(OutboundCall call) => call.Destination.Service.Hedging!.DelayAt(call.StartedAt);

    private async Task<bool> IsAnsweredAsync(Task sending, TimeSpan delay)
    {
        using var answered = new CancellationTokenSource();
        var first = await Task.WhenAny(sending, Task.Delay(delay, _time, answered.Token)).ConfigureAwait(false);
        await answered.CancelAsync().ConfigureAwait(false);
        return ReferenceEquals(first, sending);
    }

    private ResiliencePipeline<OutboundAttempt> Build(int hedges) =>
        new ResiliencePipelineBuilder<OutboundAttempt> { TimeProvider = _time }
            .AddHedging(new HedgingStrategyOptions<OutboundAttempt>
            {
                MaxHedgedAttempts = hedges,
                ShouldHandle = static arguments => ValueTask.FromResult(
                    arguments.Outcome.Result is { Outcome: { IsFinal: true, IsSuccess: false } } attempt
                    && !attempt.Call.Cancellation.IsCancellationRequested),
                // The first is due when Polly is entered.
                DelayGenerator = static arguments => ValueTask.FromResult(DelayOf(RaceOf(arguments.Context).Call)),
                ActionGenerator = arguments =>
                {
                    var race = RaceOf(arguments.PrimaryContext);
                    var lost = arguments.ActionContext.CancellationToken;
                    return !race.IsStopped && (race.Call.Attempts == 1 || TrySpend(race.Call)) ? () => race.HedgeAsync(lost) : null;
                },
            })
            .Build();

    // What was learned may be forgotten in the meantime, for want of calls.
    private static TimeSpan DelayOf(OutboundCall call) =>
        call.Attempts == 1 ? TimeSpan.Zero : call.Destination.Service.Hedging!.Delay ?? MeshDefaults.AttemptTimeout;

    private static HedgeRace RaceOf(ResilienceContext context) => context.Properties.GetValue(RaceKey, null!);

    private bool TrySpend(OutboundCall call)
    {
        var service = call.Destination.Service;
        var own = service.Hedging!.Budget;
        var now = _time.GetTimestamp();
        // Of its own share nothing is taken before the other has agreed, or it would be used up by what is not made.
        if (call.Destination.Callable.Length <= call.Attempts || now >= call.DeadlineAt || own.Balance(now) < 1
            || !Repeatability.MayRunAgain(call.First ?? call.Attempt!))
        {
            return false;
        }

        if (!service.RetryBudget.TryWithdraw(now))
        {
            _telemetry.BudgetExhausted.Add(1, new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, service.Service.Value));
            return false;
        }

        return own.TryWithdraw(now);
    }
}
