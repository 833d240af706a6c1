using System.Diagnostics;
using System.Runtime.CompilerServices;
using MeshClient.Balancing;
using MeshClient.Dialing;
using MeshClient.Discovery;
using MeshClient.Forwarding;
using MeshClient.Health;
using MeshClient.Overload;
using MeshClient.Resilience;
using MeshClient.Routing;
using MeshClient.Telemetry;
using MeshClient.Transport;

namespace MeshClient.Outbound;

/// <summary>The way of one call: its stages in order, its attempts, and who is told what came of it.</summary>
internal sealed class OutboundPipeline
{
    // Calls that have ended serve again, since they and their attempts are most of what the pipeline would allocate.
    private const int MaxKept = 256;

    private readonly StageWalk _stages;
    private readonly PlainContinuation.Pool _continuations;
    private readonly Spares<OutboundCall> _calls = new(MaxKept);
    private readonly FallbackStage _fallback;
    private readonly RetryStage _retry;
    private readonly HedgeStage _hedge;
    private readonly Func<OutboundCall, ValueTask<OutboundAttempt>> _attemptAsync;
    private readonly Func<OutboundCall, ValueTask<OutboundAttempt>> _attemptsAsync;
    private readonly TimeProvider _time;

    public OutboundPipeline(MeshTelemetry telemetry, ShedTelemetry shed, TimeProvider time, MeshRandom random)
    {
        _time = time;
        _fallback = new FallbackStage(telemetry, time);
        _retry = new RetryStage(time, random, telemetry);
        _hedge = new HedgeStage(this, time, telemetry);
        _attemptAsync = AttemptAsync;
        _attemptsAsync = AttemptsAsync;
        _continuations = new PlainContinuation.Pool(this);

        // Top to bottom in the direction of the request.
        CallStage[] callStages =
        [
            _fallback, // above telemetry, because an answer the app makes up must not hide from the figures that the call failed
            new TelemetryStage(telemetry), // above all that follows, because its span and figures have to cover every retry and every rejection
            new DeadlineStage(time), // above all that can wait, because nothing may outlive the caller
            new ForwardStage(), // above all that can wait or go on elsewhere, because only here the call is sure to be in its caller's flow
            new RouteStage(), // above admission, because what is below is per target; routes, splits, mirrors and faults sit here
            new AdmissionStage(time, random, shed), // above retry, because a call that is shed must not be repeated
            new CircuitBreakerStage(), // below admission, because a call that is shed tells nothing of the service and must not use up the probe; above retry, because it judges what retries could not mend
            _retry, // below the breaker, so that only calls that are made pay into the budget; above hedge and pick, because each attempt picks afresh and avoids what this call has tried
            _hedge, // below retry, because a second attempt beside a slow first is no failure; what no attempt of the race mended may be retried
        ];
        AttemptStage[] attemptStages =
        [
            new AttemptTelemetryStage(telemetry), // outermost of the attempt, because a failed pick is to be seen too
            new PickStage(random, time), // above all that is the instance's
            new EjectionStage(time), // right below pick, because a probe's place that pick took has to be given back whatever comes next
            new LoadStage(time), // beside ejection, because both judge the instance by the same outcome; the next pick must see this call in flight at once
            new AttemptTimeoutStage(time), // just above what can hang, and never longer than what is left of the deadline
            new TransportStage(), // innermost: a connection of the instance; only at connect our certificate goes out and theirs is judged
        ];

        _stages = new StageWalk(callStages, attemptStages, time);
    }

    public TimeProvider Time => _time;

    public StageWalk Stages => _stages;

    /// <summary>Sends a call.</summary>
    /// <param name="request">What to send.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="startedAt">When the call began, waiting for its destination included.</param>
    /// <param name="readyAt">From when on it can be made: later than that where it has waited.</param>
    /// <param name="rejection">What the call fails with because its destination could not be made out; null: nothing.</param>
    /// <param name="cancellationToken">What the app cancels with.</param>
    /// <exception cref="MeshCallException">It failed.</exception>
    /// <exception cref="OperationCanceledException">The app gave up.</exception>
    public Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        Destination destination,
        long startedAt,
        long readyAt,
        MeshCallException? rejection,
        CancellationToken cancellationToken)
    {
        if (_calls.TryTake() is { } call)
        {
            call.Begin(request, destination, startedAt, rejection, cancellationToken);
        }
        else
        {
            call = new OutboundCall(request, destination, startedAt, rejection, cancellationToken);
        }

        if (readyAt > startedAt)
        {
            call.ReadyAt = readyAt;
        }

        var sending = Send(call);
        return destination.Service.Settings.Fallback is { } fallback && request is not DialRequest ? _fallback.ApplyAsync(fallback, call, sending) : sending;
    }

    /// <summary>Called once when the answer to a call's first attempt is there, or the attempt has failed.</summary>
    internal void Answered(OutboundAttempt attempt, Task<HttpResponseMessage> sending)
    {
        var call = attempt.Call;
        if (sending.IsCompletedSuccessfully)
        {
            attempt.Response = sending.Result;
            Finish(attempt);
            if (attempt.Failure is null && !_retry.IsWanted(attempt))
            {
                HandOver(call, Answer(attempt));
                return;
            }

            sending = ConcludeAsync(call, new ValueTask<OutboundAttempt>(attempt), isFirst: true);
        }
        else
        {
            sending = ConcludeAsync(call, FinishAsync(attempt, sending), isFirst: true);
        }

        _ = CompleteAsync(call, sending);
    }

    /// <summary>Called once when a call's first attempt has taken so long that another is to be made beside it.</summary>
    internal void HedgeDue(OutboundAttempt first, Task<HttpResponseMessage> sending)
    {
        var racing = new ValueTask<OutboundAttempt>(_hedge.RaceAsync(first, sending));
        _ = CompleteAsync(first.Call, ConcludeAsync(first.Call, racing, isFirst: true));
    }

    /// <summary>Called once by an attempt's answer when its body has been read to the end, has failed or was disposed.</summary>
    internal void BodyEnded(OutboundAttempt attempt, Exception? failure)
    {
        attempt.BodyFailure = failure;
        _stages.End(attempt);
        // A final answer's attempt is the call's latest; one thrown away for a retry is followed by another.
        var call = attempt.Call;
        if (ReferenceEquals(call.Attempt, attempt) && call.HasResponded)
        {
            _stages.End(call);
            LetGo(call);
        }
    }

    /// <summary>Leads an attempt down its stages and sends it.</summary>
    /// <returns>The answer to come; null when the attempt failed on the way.</returns>
    internal Task<HttpResponseMessage>? Begin(OutboundAttempt attempt)
    {
        var call = attempt.Call;
        if (call.Attempt is { Number: 1 } first)
        {
            call.First = first;
        }

        call.Attempt = attempt;
        try
        {
            _stages.Enter(attempt);
            return TransportStage.SendAsync(attempt);
        }
        catch (Exception e)
        {
            attempt.Failure = e;
            return null;
        }
    }

    /// <summary>Waits for the answer to an attempt, and tells the stages what came of it.</summary>
    /// <returns>The attempt. Never throws: a failed attempt is a result, which the stages of the call look at.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<OutboundAttempt> FinishAsync(OutboundAttempt attempt, Task<HttpResponseMessage>? sending)
    {
        if (sending is not null)
        {
            try
            {
                attempt.Response = await sending.ConfigureAwait(false);
            }
            catch (Exception e)
            {
                attempt.Failure = e;
            }
        }

        Finish(attempt);
        return attempt;
    }

    private static async Task CompleteAsync(OutboundCall call, Task<HttpResponseMessage> concluding)
    {
        try
        {
            call.Complete(await concluding.ConfigureAwait(false));
        }
        catch (Exception e)
        {
            call.Complete(e);
        }
    }

    // A call that waits may have ended by now, and be another one.
    private static Task<HttpResponseMessage> Left(Activity? activity, Task<HttpResponseMessage> sending)
    {
        TelemetryStage.Leave(activity);
        return sending;
    }

    // Goes as far as it can without waiting, which for nearly every call is up to the answer itself.
    private Task<HttpResponseMessage> Send(OutboundCall call)
    {
        try
        {
            var steps = _stages.CallSteps;
            for (var i = 0; i < steps.Length; i++)
            {
                var (position, stage) = steps[i];
                call.Entered = position;
                var entering = stage.EnterAsync(call);
                if (!entering.IsCompletedSuccessfully)
                {
                    return Left(call.Activity, EnterAndSendAsync(call, i, entering));
                }
            }

            return SendEntered(call);
        }
        catch (Exception e)
        {
            return Left(call.Activity, FailAsync(call, e));
        }
    }

    private async Task<HttpResponseMessage> EnterAndSendAsync(OutboundCall call, int step, ValueTask entering)
    {
        try
        {
            await entering.ConfigureAwait(false);
            var steps = _stages.CallSteps;
            while (++step < steps.Length)
            {
                call.Entered = steps[step].Position;
                await steps[step].Stage.EnterAsync(call).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Fail(call, e);
            throw;
        }

        return await SendEntered(call).ConfigureAwait(false);
    }

    private Task<HttpResponseMessage> SendEntered(OutboundCall call)
    {
        call.Entered = _stages.CallDepth;
        var service = call.Destination.Service;
        if (service.Breaker is { IsClosed: false } breaker)
        {
            call.IsBehindBreaker = true;
            return Left(call.Activity, ConcludeAsync(call, breaker.ExecuteAsync(call, _attemptsAsync), isFirst: false));
        }

        RetryStage.Count(call);
        var isHedged = HedgeStage.IsWanted(call);
        if (isHedged)
        {
            HedgeStage.Count(call);
        }

        var attempt = call.BeginFirst();
        var sending = Begin(attempt);
        if (sending is not { IsCompleted: false })
        {
            return Left(call.Activity, ConcludeAsync(call, FinishAsync(attempt, sending), isFirst: true));
        }

        // Before anybody can answer: the promise is made when it is first asked for.
        var task = call.Task;
        TelemetryStage.Leave(call.Activity);
        if (!isHedged || !_hedge.TryAwait(attempt, sending))
        {
            _continuations.Await(attempt, sending);
        }

        return task;
    }

    /// <summary>Waits for an attempt, has it made again where that is wanted, and ends with the answer that counts.</summary>
    /// <param name="call">The call.</param>
    /// <param name="attempting">The attempt to wait for.</param>
    /// <param name="isFirst">Whether retries are still to be asked for.</param>
    private async Task<HttpResponseMessage> ConcludeAsync(OutboundCall call, ValueTask<OutboundAttempt> attempting, bool isFirst)
    {
        try
        {
            var attempt = await attempting.ConfigureAwait(false);
            if (isFirst && _retry.IsWanted(attempt))
            {
                attempt = await _retry.RepeatAsync(attempt, _attemptAsync).ConfigureAwait(false);
            }

            return attempt.Failure is null ? Answer(attempt) : CallFailure.Throw(attempt);
        }
        catch (Exception e)
        {
            Fail(call, e);
            throw;
        }
    }

    private async Task<HttpResponseMessage> FailAsync(OutboundCall call, Exception failure)
    {
        Fail(call, failure);
        return await Task.FromException<HttpResponseMessage>(failure).ConfigureAwait(false);
    }

    private HttpResponseMessage Answer(OutboundAttempt attempt)
    {
        var response = attempt.Response!;
        _stages.Respond(attempt.Call, attempt.RespondedAt);
        if (attempt.HasEnded)
        {
            attempt.Call.EndedWithHead = true;
            _stages.End(attempt.Call);
        }

        return response;
    }

    private void HandOver(OutboundCall call, HttpResponseMessage response)
    {
        // Let go of first, since the app may make its next call on this thread as soon as it has the answer.
        var promise = call.Promise;
        LetGo(call);
        promise.SetResult(response);
    }

    private void LetGo(OutboundCall call)
    {
        if (call.LetGo() && call.TryReset())
        {
            _calls.TryKeep(call);
        }
    }

    private void Fail(OutboundCall call, Exception failure)
    {
        call.Failure = failure;
        call.HasNoAnswer = true;
        // An answer that was to be replaced by another attempt's, which then was not made.
        call.Attempt?.Response?.Dispose();
        _stages.Respond(call, _time.GetTimestamp());
        _stages.End(call);
    }

    private ValueTask<OutboundAttempt> FirstAsync(OutboundCall call)
    {
        RetryStage.Count(call);
        return HedgeStage.IsWanted(call) ? _hedge.AttemptAsync(call) : AttemptAsync(call);
    }

    private ValueTask<OutboundAttempt> AttemptAsync(OutboundCall call)
    {
        var attempt = new OutboundAttempt(call, ++call.Attempts);
        return FinishAsync(attempt, Begin(attempt));
    }

    private async ValueTask<OutboundAttempt> AttemptsAsync(OutboundCall call)
    {
        var attempt = await FirstAsync(call).ConfigureAwait(false);
        return _retry.IsWanted(attempt) ? await _retry.RepeatAsync(attempt, _attemptAsync).ConfigureAwait(false) : attempt;
    }

    private void Finish(OutboundAttempt attempt)
    {
        _stages.Respond(attempt);
        HedgeStage.Learn(attempt);
        if (attempt.Response?.Content is DialedContent dialed)
        {
            dialed.Connection.Begin(this, attempt);
        }
        else if (attempt.Response is { } response && TrackedContent.MayHaveBody(response))
        {
            response.Content = new TrackedContent(response.Content, this, attempt);
        }
        else
        {
            _stages.End(attempt);
            attempt.Call.LetGo();
        }
    }
}
