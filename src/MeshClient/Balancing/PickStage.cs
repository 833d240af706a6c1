using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Resilience;

namespace MeshClient.Balancing;

/// <summary>Chooses the instance of an attempt.</summary>
internal sealed class PickStage(MeshRandom random, TimeProvider time) : AttemptStage(StageName, StageScope.Attempt, StagePhases.Enter)
{
    private const string StageName = "Pick";

    // A probe's place can be lost between looking and taking; then another pick is made, but not for ever.
    private const int MaxPicks = 3;

    private static readonly TimeSpan WaitForRepeatable = TimeSpan.FromSeconds(1);

    public override void Enter(OutboundAttempt attempt)
    {
        var call = attempt.Call;
        var destination = call.Destination;

        // The call's own clock serves the first attempt: reading the clock is the dearest part of a pick.
        var now = attempt.Number == 1 ? call.ReadyAt : time.GetTimestamp();
        attempt.StartedAt = now;
        var pick = new PickCall(call.Tried, destination.Service.Health.AnyOut, random, now) { Request = call.Request };
        if (pick.AnyOut && destination.Service.Health.IsAnyDue(now) && TryProbe(attempt, now))
        {
            return;
        }

        var picks = 0;
        do
        {
            attempt.Instance = TryPick(destination, pick) ?? throw NoInstances(destination);
            // Before it is asked, because the place of a probe that is not made would be taken all the same.
            if (attempt.IsHedge && call.Tried.Contains(attempt.Instance))
            {
                throw NothingElse(destination);
            }

            if (attempt.Number > 1 && !Repeatability.MayGoTo(attempt.Instance, call))
            {
                throw NotMarked(call, attempt.Instance);
            }

            attempt.Admission = pick.AnyOut ? attempt.Instance.Ejection.TryEnter(now) : Admission.Ordinary;
        }
        while (attempt.Admission == Admission.Refused && ++picks < MaxPicks);
        destination.Foresee(random);
    }

    /// <summary>What an attempt fails with because the app's own picker did.</summary>
    public static MeshCallException PickFailed(Destination destination, IInstancePicker picker, Exception failure)
    {
        var service = destination.Name.Service.Value;
        return new MeshCallException(
            MeshFailureReason.PickFailed, service, StageName,
            $"Call to '{service}' was not made: the app's picker {picker.GetType()} failed: {failure.Message}", failure);
    }

    // Another attempt at an instance that is slow already would make it slower.
    private MeshCallException NothingElse(Destination destination) => new(
        MeshFailureReason.NoInstances,
        destination.Name.Service.Value,
        Descriptor.Name,
        $"'{destination.Name.Service}' has no other instance for a second attempt beside the first.");

    // It was when the repetition was decided on: the list has changed since, or the instance was replaced by an older one.
    private MeshCallException NotMarked(OutboundCall call, InstanceState instance)
    {
        var service = call.Destination.Name.Service.Value;
        return new MeshCallException(
            MeshFailureReason.NoInstances,
            service,
            Descriptor.Name,
            $"The call to '{service}' failed and was to be repeated, because its instances said that the endpoint is idempotent; but {instance.Description.Id}, which has come since, does not say so.",
            call.First?.Failure)
        {
            Attempts = call.Attempts - 1,
        };
    }

    // A call becomes the probe of an instance that waits for one, if it can be made again elsewhere should that fail: so no call is
    // lost to finding out. Where such calls do not come, after a moment any call does.
    private bool TryProbe(OutboundAttempt attempt, long now)
    {
        if (attempt.Number > 1)
        {
            return false;
        }

        var destination = attempt.Call.Destination;
        var mayRunTwice = Repeatability.MayRunTwice(attempt.Call);
        foreach (var instance in destination.Callable)
        {
            var ejection = instance.Ejection;
            if (!ejection.IsDue(now))
            {
                continue;
            }

            if (!mayRunTwice && !ejection.IsUnreachable && time.GetElapsedTime(ejection.DueAt, now) < WaitForRepeatable)
            {
                return false;
            }

            if (ejection.TryEnter(now) == Admission.Probe)
            {
                attempt.Instance = instance;
                attempt.Admission = Admission.Probe;
                destination.Service.Health.Reschedule(now);
                return true;
            }
        }

        destination.Service.Health.Reschedule(now);
        return false;
    }

    private static InstanceState? TryPick(Destination destination, in PickCall pick)
    {
        try
        {
            return destination.TryPick(pick);
        }
        catch (Exception e) when (destination.Service.Balancer.UserPicker is { } picker)
        {
            throw PickFailed(destination, picker, e);
        }
    }

    private MeshCallException NoInstances(Destination destination)
    {
        var name = destination.Name;
        var why = destination.Unavailable;
        var parts = new List<string>();
        if (why.Unhealthy > 0)
        {
            parts.Add($"{why.Unhealthy} critical, in maintenance or of weight 0");
        }

        if (why.PlaintextRefused > 0)
        {
            parts.Add(
                $"{why.PlaintextRefused} not in the mesh, and plaintext is not allowed (Mesh:Destinations:{name.Service}:AllowPlaintext)");
        }

        if (why.Unsuited > 0)
        {
            parts.Add(name.Endpoint is null
                ? $"{why.Unsuited} without an address for the scheme of the call"
                : $"{why.Unsuited} without an endpoint '{name.Endpoint}' for the scheme of the call");
        }

        var details = why.Listed == 0 ? "the registry lists none" : $"of {why.Listed} listed: {string.Join("; ", parts)}";
        return new MeshCallException(
            MeshFailureReason.NoInstances,
            name.Service.Value,
            Descriptor.Name,
            $"No instance of '{name.Service}' can be called: {details}.");
    }
}
