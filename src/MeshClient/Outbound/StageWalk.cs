namespace MeshClient.Outbound;

/// <summary>The walk through the stages: down on the way in, and up again with what came of it.</summary>
/// <remarks>Each stage is asked only where it has something to do, and only when the call, or the attempt, has come past it.</remarks>
internal sealed class StageWalk
{
    private readonly CallStage[] _callStages;
    private readonly AttemptStage[] _attemptStages;
    private readonly StageStep<CallStage>[] _callEnter;
    private readonly StageStep<CallStage>[] _callResponded;
    private readonly StageStep<CallStage>[] _callJudged;
    private readonly StageStep<CallStage>[] _callEnded;
    private readonly StageStep<AttemptStage>[] _attemptEnter;
    private readonly StageStep<AttemptStage>[] _attemptResponded;
    private readonly StageStep<AttemptStage>[] _attemptEnded;
    private readonly TimeProvider _time;

    /// <param name="callStages">Those of a call, top to bottom.</param>
    /// <param name="attemptStages">Those of an attempt, below them.</param>
    /// <param name="time">The clock.</param>
    public StageWalk(CallStage[] callStages, AttemptStage[] attemptStages, TimeProvider time)
    {
        _callStages = callStages;
        _attemptStages = attemptStages;
        _time = time;
        _callEnter = Steps(callStages, stage => stage.Phases, StagePhases.Enter);
        _callResponded = Back(Steps(callStages, stage => stage.Phases, StagePhases.Responded));
        _callJudged = Back(Steps(callStages, stage => stage.Phases, StagePhases.Judged));
        _callEnded = Back(Steps(callStages, stage => stage.Phases, StagePhases.Ended));
        _attemptEnter = Steps(attemptStages, stage => stage.Phases, StagePhases.Enter);
        _attemptResponded = Back(Steps(attemptStages, stage => stage.Phases, StagePhases.Responded));
        _attemptEnded = Back(Steps(attemptStages, stage => stage.Phases, StagePhases.Ended));
    }

    /// <summary>All of them in the order they are walked.</summary>
    public IEnumerable<StageDescriptor> Descriptors =>
        _callStages.Select(stage => stage.Descriptor).Concat(_attemptStages.Select(stage => stage.Descriptor));

    public IReadOnlyList<CallStage> CallStages => _callStages;

    public IReadOnlyList<AttemptStage> AttemptStages => _attemptStages;

    /// <summary>A call's way in, which may have to wait at each.</summary>
    public StageStep<CallStage>[] CallSteps => _callEnter;

    /// <summary>How far down a call is that has come past all of its stages.</summary>
    public int CallDepth => _callStages.Length;

    /// <summary>Leads an attempt down its stages.</summary>
    public void Enter(OutboundAttempt attempt)
    {
        foreach (var (position, stage) in _attemptEnter)
        {
            attempt.Entered = position;
            stage.Enter(attempt);
        }

        attempt.Entered = _attemptStages.Length;
    }

    /// <summary>The head of an attempt's answer is there, or it has failed.</summary>
    public void Respond(OutboundAttempt attempt)
    {
        attempt.RespondedAt = _time.GetTimestamp();
        attempt.JudgeHead(_time);
        foreach (var (position, stage) in _attemptResponded)
        {
            try
            {
                if (position < attempt.Entered)
                {
                    stage.Responded(attempt);
                }
            }
            catch (Exception e)
            {
                // A stage calls what is not ours: the app may have disposed its request by now, its listeners may throw. What
                // the other stages hold has to be let go all the same.
                attempt.Failure ??= e;
                attempt.AppFailure ??= AppFailure.Of(attempt);
            }
        }

        if (attempt.Failure is not null)
        {
            attempt.Response?.Dispose();
            attempt.Response = null;
        }
    }

    /// <summary>An attempt's answer has been read to the end or disposed, or it has failed.</summary>
    public void End(OutboundAttempt attempt)
    {
        attempt.HasEnded = true;
        attempt.JudgeEnd(_time);
        foreach (var (position, stage) in _attemptEnded)
        {
            try
            {
                if (position < attempt.Entered)
                {
                    stage.Ended(attempt);
                }
            }
            catch (Exception)
            {
                // What came of it is known by now, and mostly the app has it: whoever is told of it and throws, such as the app's own
                // picker or a listener, takes it from nobody.
            }
        }
    }

    /// <summary>What the app is given of a call is there. Counts the first time only.</summary>
    public void Respond(OutboundCall call, long now)
    {
        if (call.HasResponded)
        {
            return;
        }

        call.RespondedAt = now;
        foreach (var (position, stage) in _callResponded)
        {
            try
            {
                if (position < call.Entered)
                {
                    stage.Responded(call);
                }
            }
            catch (Exception e)
            {
                call.Failure ??= e;
            }
        }

        if (!call.IsJudgedAtEnd)
        {
            Judge(call, now);
        }
    }

    /// <summary>A call is over. Counts the first time only.</summary>
    public void End(OutboundCall call)
    {
        if (!call.TryEnd())
        {
            return;
        }

        if (call.IsJudgedAtEnd)
        {
            Judge(call, _time.GetTimestamp());
        }

        foreach (var (position, stage) in _callEnded)
        {
            try
            {
                if (position < call.Entered)
                {
                    stage.Ended(call);
                }
            }
            catch (Exception)
            {
                // As with the end of an attempt.
            }
        }
    }

    private static StageStep<TStage>[] Steps<TStage>(TStage[] stages, Func<TStage, StagePhases> phases, StagePhases phase) =>
        [.. stages.Select((stage, position) => new StageStep<TStage>(position, stage)).Where(step => phases(step.Stage).HasFlag(phase))];

    // What stands innermost hears of the answer first.
    private static StageStep<TStage>[] Back<TStage>(StageStep<TStage>[] steps)
    {
        Array.Reverse(steps);
        return steps;
    }

    private void Judge(OutboundCall call, long now)
    {
        foreach (var (position, stage) in _callJudged)
        {
            try
            {
                if (position < call.Entered)
                {
                    stage.Judged(call, now);
                }
            }
            catch (Exception)
            {
                // As with the end of an attempt.
            }
        }
    }
}
