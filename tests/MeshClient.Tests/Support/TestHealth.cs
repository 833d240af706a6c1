using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Health;

namespace MeshClient.Tests.Support;

/// <summary>The health of services for tests.</summary>
internal static class TestHealth
{
    public static ServiceHealth Make(
        TimeProvider time, MeshRandom? random = null, MeshHealthOptions? options = null, HealthTelemetry? telemetry = null) => new(
            TestInstances.Service, HealthSettings.For(options, new MeshHealthOptions()), time, random ?? new MeshRandom(5), telemetry);

    /// <summary>Adds instances that nothing happens to.</summary>
    public static EjectionState[] Join(this ServiceHealth health, int count) =>
        [.. Enumerable.Range(0, count).Select(i => new EjectionState(health, $"peer-{i}", new InstanceVitals(1)))];

    /// <summary>Reports at the time the call was sent.</summary>
    public static void Succeeded(this EjectionState state, Admission admission, long now) => state.Succeeded(admission, now, now);

    /// <inheritdoc cref="Succeeded"/>
    public static void Failed(this EjectionState state, Admission admission, long now) => state.Failed(admission, now, now);

    /// <inheritdoc cref="Succeeded"/>
    public static void ConnectFailed(this EjectionState state, Admission admission, long now, bool isIdentityRefused) =>
        state.ConnectFailed(admission, now, now, isIdentityRefused);

    public static void Fail(this EjectionState state, int times, long now, Admission admission = Admission.Ordinary)
    {
        for (var i = 0; i < times; i++)
        {
            state.Failed(admission, now);
        }
    }

    public static void Succeed(this EjectionState state, int times, long now)
    {
        for (var i = 0; i < times; i++)
        {
            state.Succeeded(Admission.Ordinary, now);
        }
    }
}
