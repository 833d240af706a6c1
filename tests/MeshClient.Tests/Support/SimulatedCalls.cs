using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Testing;

namespace MeshClient.Tests.Support;

/// <summary>Calls that only the balancer notices, in the time of a clock that is moved by hand.</summary>
internal static class SimulatedCalls
{
    /// <summary>Has every instance answer at the same latency until its average is that latency.</summary>
    public static void SettleAt(ReadOnlySpan<InstanceState> instances, double milliseconds, FakeTimeProvider time)
    {
        time.Advance(TimeSpan.FromMinutes(10));
        foreach (var instance in instances)
        {
            instance.Load.Observe(milliseconds / 1000 * time.TimestampFrequency, time.GetTimestamp());
        }
    }

    /// <summary>Lets one count as if a call to it had just failed.</summary>
    public static void Fail(InstanceState instance, TimeProvider time)
    {
        var now = time.GetTimestamp();
        instance.Load.Penalise(
            MeshDefaults.FailureLatency.TotalSeconds * time.TimestampFrequency,
            now,
            now + (long)(MeshDefaults.BaseEjection.TotalSeconds * time.TimestampFrequency));
    }

    /// <summary>Makes calls one after the other, each at the same latency, and tells how many each instance got.</summary>
    public static int[] Run(InstanceState[] instances, int calls, double milliseconds, FakeTimeProvider time, MeshRandom random)
    {
        var share = new int[instances.Length];
        var picker = new TwoChoicesPicker<LatencyCost>(instances);
        for (var i = 0; i < calls; i++)
        {
            var picked = picker.TryPick(new PickCall([], anyOut: true, random, time.GetTimestamp()))!;
            share[Array.IndexOf(instances, picked)]++;
            time.Advance(TimeSpan.FromMilliseconds(milliseconds));
            picked.Load.Observe(milliseconds / 1000 * time.TimestampFrequency, time.GetTimestamp());
        }

        return share;
    }
}
