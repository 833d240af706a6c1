using System.Runtime.CompilerServices;
using MeshClient.Balancing;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Overload;
using MeshClient.Resilience;
using MeshClient.Routing;
using MeshClient.Telemetry;
using MeshClient.Transport;

namespace MeshClient.Outbound;

/// <summary>The way of one call: its stages in order, and the walk through them.</summary>
internal sealed class OutboundPipeline
{
    private readonly CallStage[] _callStages;
    private readonly AttemptStage[] _attemptStages;
    private readonly FallbackStage _fallback;
    private readonly RetryStage _retry;
    private readonly HedgeStage _hedge;
    private readonly Func<OutboundCall, ValueTask<OutboundAttempt>> _attemptAsync;
    private readonly Func<OutboundCall, ValueTask<OutboundAttempt>> _attemptsAsync;
    private readonly TimeProvider _time;

    public OutboundPipeline(MeshTelemetry telemetry, ShedTelemetry shed, TimeProvider time, MeshRandom random)
    {
        _time = time;
        _fallback = new FallbackStage(telemetry);
        _retry = new RetryStage(time, random, telemetry);
        _hedge = new HedgeStage(time, telemetry);
        _attemptAsync = AttemptAsync;
        _attemptsAsync = AttemptsAsync;

        // Top to bottom in the direction of the request.
        _callStages =
        [
            _fallback, // above telemetry, because an answer the app makes up must not hide from the figures that the call failed
            new TelemetryStage(telemetry), // above all that follows, because its span and figures have to cover every retry and every rejection
            new DeadlineStage(time), // above all that can wait, because nothing may outlive the caller
            new RouteStage(), // above admission, because what is below is per target; routes, splits, mirrors and faults sit here
            new AdmissionStage(time, random, shed), // above retry, because a call that is shed must not be repeated
            new CircuitBreakerStage(), // below admission, because a call that is shed tells nothing of the service and must not use up the probe; above retry, because it judges what retries could not mend
            _retry, // below the breaker, so that only calls that are made pay into the budget; above hedge and pick, because each attempt picks afresh and avoids what this call has tried
            _hedge, // below retry, because a second attempt beside a slow first is no failure; what no attempt of the race mended may be retried
        ];
        _attemptStages =
        [
            new AttemptTelemetryStage(telemetry), // outermost of the attempt, because a failed pick is to be seen too
            new PickStage(random, time), // above all that is the instance's
            new EjectionStage(time), // right below pick, because a probe's place that pick took has to be given back whatever comes next
            new LoadStage(time), // beside ejection, because both judge the instance by the same outcome; the next pick must see this call in flight at once
            new AttemptTimeoutStage(time), // just above what can hang, and never longer than what is left of the deadline
            new TransportStage(), // innermost: a connection of the instance; only at connect our certificate goes out and theirs is judged
        ];
    }

    /// <summary>The stages in the order they are walked.</summary>
    public IEnumerable<StageDescriptor> Stages =>
        _callStages.Select(stage => stage.Descriptor).Concat(_attemptStages.Select(stage => stage.Descriptor));

    /// <summary>Sends a call.</summary>
    /// <param name="request">What to send.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="startedAt">When the call began, waiting for its destination included.</param>
    /// <param name="rejection">What the call fails with because its destination could not be made out; null: nothing.</param>
    /// <param name="cancellationToken">What the app cancels with.</param>
    /// <exception cref="MeshCallException">It failed.</exception>
    /// <exception cref="OperationCanceledException">The app gave up.</exception>
    public Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        Destination destination,
        long startedAt,
        MeshCallException? rejection,
        CancellationToken cancellationToken)
    {
        var call = new OutboundCall(request, destination, startedAt, rejection, cancellationToken);
        var sending = SendAsync(call);
        return destination.Service.Settings.Fallback is { } fallback ? _fallback.ApplyAsync(fallback, call, sending) : sending;
    }

    /// <summary>Called once by an attempt's answer when its body has been read to the end, has failed or was disposed.</summary>
    internal void BodyEnded(OutboundAttempt attempt, Exception? failure)
    {
        attempt.BodyFailure = failure;
        End(attempt);
        // A final answer's attempt is the call's latest; one thrown away for a retry is followed by another.
        if (ReferenceEquals(attempt.Call.Attempt, attempt) && attempt.Call.RespondedAt != 0)
        {
            End(attempt.Call);
        }
    }

    /// <summary>Leads an attempt down its stages and sends it.</summary>
    /// <returns>The answer to come; null when the attempt failed on the way.</returns>
    internal Task<HttpResponseMessage>? Begin(OutboundAttempt attempt)
    {
        attempt.Call.Attempt = attempt;
        try
        {
            for (; attempt.Entered < _attemptStages.Length; attempt.Entered++)
            {
                _attemptStages[attempt.Entered].Enter(attempt);
            }

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

        Respond(attempt);
        if (attempt.Response is { } response && TrackedContent.MayHaveBody(response))
        {
            response.Content = new TrackedContent(response.Content, this, attempt);
        }
        else
        {
            End(attempt);
        }

        return attempt;
    }

    private async Task<HttpResponseMessage> SendAsync(OutboundCall call)
    {
        try
        {
            for (; call.Entered < _callStages.Length; call.Entered++)
            {
                var entering = _callStages[call.Entered].EnterAsync(call);
                if (!entering.IsCompletedSuccessfully)
                {
                    await entering.ConfigureAwait(false);
                }
            }

            OutboundAttempt attempt;
            if (call.Destination.Service.Breaker is { IsEngaged: true } breaker)
            {
                attempt = await breaker.ExecuteAsync(call, _attemptsAsync).ConfigureAwait(false);
            }
            else
            {
                attempt = await FirstAsync(call).ConfigureAwait(false);
                if (_retry.IsWanted(attempt))
                {
                    attempt = await _retry.RepeatAsync(attempt, _attemptAsync).ConfigureAwait(false);
                }
            }

            if (attempt.Failure is not null)
            {
                throw CallFailure.Describe(attempt);
            }

            Respond(call, attempt.RespondedAt);
            if (attempt.HasEnded)
            {
                End(call);
            }

            return attempt.Response!;
        }
        catch (Exception e)
        {
            call.Failure = e;
            // An answer that was to be replaced by another attempt's, which then was not made.
            call.Attempt?.Response?.Dispose();
            Respond(call, _time.GetTimestamp());
            End(call);
            throw;
        }
    }

    private ValueTask<OutboundAttempt> FirstAsync(OutboundCall call)
    {
        RetryStage.Count(call);
        return call.Destination.Service.Hedging is not null && HedgeStage.IsWanted(call) ? _hedge.AttemptAsync(call, this) : AttemptAsync(call);
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

    private void Respond(OutboundAttempt attempt)
    {
        attempt.RespondedAt = _time.GetTimestamp();
        attempt.JudgeHead(_time);
        for (var i = attempt.Entered - 1; i >= 0; i--)
        {
            try
            {
                _attemptStages[i].Responded(attempt);
            }
            catch (Exception e)
            {
                // A stage calls what is not ours: the app may have disposed its request by now, its listeners may throw. What
                // the other stages hold has to be let go all the same.
                attempt.Failure ??= e;
            }
        }

        if (attempt.Failure is not null)
        {
            attempt.Response?.Dispose();
            attempt.Response = null;
        }
    }

    private void End(OutboundAttempt attempt)
    {
        attempt.HasEnded = true;
        attempt.JudgeEnd(_time);
        for (var i = attempt.Entered - 1; i >= 0; i--)
        {
            try
            {
                _attemptStages[i].Ended(attempt);
            }
            catch (Exception e)
            {
                attempt.Failure ??= e;
            }
        }
    }

    private void Respond(OutboundCall call, long now)
    {
        if (call.RespondedAt != 0)
        {
            return;
        }

        call.RespondedAt = now;
        for (var i = call.Entered - 1; i >= 0; i--)
        {
            try
            {
                _callStages[i].Responded(call);
            }
            catch (Exception e)
            {
                call.Failure ??= e;
            }
        }
    }

    private void End(OutboundCall call)
    {
        if (!call.TryEnd())
        {
            return;
        }

        for (var i = call.Entered - 1; i >= 0; i--)
        {
            _callStages[i].Ended(call);
        }
    }
}
