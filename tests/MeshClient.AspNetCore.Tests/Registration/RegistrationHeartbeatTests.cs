using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;
using MeshClient.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.AspNetCore.Tests.Registration;

public sealed class RegistrationHeartbeatTests : IAsyncDisposable
{
    private static readonly InstanceId Id = new("orders-1");
    private static readonly TimeSpan TimeToLive = TimeSpan.FromSeconds(15);
    private readonly FakeTimeProvider _clock = new();
    private readonly InMemoryControlPlane _plane = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly RegistrationHeartbeat _heartbeat;

    public RegistrationHeartbeatTests()
    {
        _heartbeat = new RegistrationHeartbeat(
            _plane,
            new InstanceRegistration
            {
                Id = Id,
                Service = InboundTestHost.Orders,
                Endpoints = [new InstanceEndpoint(null, "127.0.0.1", 8443, InstanceSecurity.Mesh)],
                TimeToLive = TimeToLive,
            },
            new RegistrationMetrics(_services.GetRequiredService<IMeterFactory>()),
            new MeshRandom(1),
            _clock,
            NullLogger.Instance);
    }

    [Fact]
    public async Task Start_RegistersAndThenBeatsThreeTimesPerTimeToLive()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);

        for (var beats = 1; beats <= 4; beats++)
        {
            var pause = await NextPauseAsync();
            Assert.InRange(pause, TimeToLive / 3 * 0.8, TimeToLive / 3);
            _clock.Advance(pause);
            var expected = beats;
            await WaitAsync(plane => plane.Beats.Count == expected);
        }

        Assert.Single(_plane.Registrations);
        Assert.True(_heartbeat.IsRegistered);
    }

    [Fact]
    public async Task Beat_WhenRegistryHasForgotten_RegistersAgainAtOnce()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        var pause = await NextPauseAsync();
        _plane.ForgetInstance(Id);

        _clock.Advance(pause);

        await WaitAsync(plane => plane.Registrations.Count == 2);
        Assert.Single(_plane.Instances(InboundTestHost.Orders).Instances);
    }

    [Fact]
    public async Task Update_OfWhatIsRegistered_IsToldAtOnceAndOnce()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        await NextPauseAsync();

        _heartbeat.Update(_heartbeat.Registration with { Meta = _heartbeat.Registration.Meta.Add("a", "b") });
        await WaitAsync(plane => plane.Registrations.Count == 2);
        Assert.Equal("b", _plane.Registrations[1].Meta["a"]);
        Assert.Equal(Id, _plane.Registrations[1].Id);

        _clock.Advance(await NextPauseAsync());
        await WaitAsync(plane => plane.Beats.Count >= 2);
        Assert.Equal(2, _plane.Registrations.Count);
    }

    [Fact]
    public async Task Update_WhileUnfit_StaysInMaintenance()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        _heartbeat.SetUnfit("no target");
        await WaitAsync(plane => plane.Maintenance.Count == 1);

        _heartbeat.Update(_heartbeat.Registration with { Meta = _heartbeat.Registration.Meta.Add("a", "b") });
        await WaitAsync(plane => plane.Registrations.Count == 2);
        await WaitAsync(plane => plane.Maintenance.Count == 2);

        Assert.True(_plane.Maintenance[1].Enabled);
        Assert.Equal(InstanceHealth.Critical, Assert.Single(_plane.Instances(InboundTestHost.Orders).Instances).Health);
    }

    [Fact]
    public async Task Update_WhileItBecomesFit_EndsTheMaintenance()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        _heartbeat.SetUnfit("no target");
        await WaitAsync(plane => plane.Maintenance.Count == 1);

        // While the beat is under way that comes before, so that the registry hears of both at once.
        _plane.Stall();
        _heartbeat.SetUnfit(null);
        await _plane.WaitForParkedCallsAsync(1, cancellationToken: TestContext.Current.CancellationToken);
        _heartbeat.Update(_heartbeat.Registration with { Meta = _heartbeat.Registration.Meta.Add("a", "b") });
        _plane.Release();

        await WaitAsync(plane => plane.Registrations.Count == 2);
        await WaitAsync(plane => plane.Maintenance.Count == 2);
        Assert.False(_plane.Maintenance[1].Enabled);
    }

    [Fact]
    public async Task Start_WithRegistryAway_TriesAgainUntilItIsBack()
    {
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone"));
        _heartbeat.Start();
        for (var failures = 0; failures < 12; failures++)
        {
            var pause = await NextPauseAsync();
            Assert.InRange(pause, TimeSpan.Zero, TimeToLive / 3);
            Assert.False(_heartbeat.IsRegistered);
            _clock.Advance(pause);
        }

        var last = await NextPauseAsync();
        _plane.FailWith(null);
        _clock.Advance(last);

        await WaitAsync(plane => plane.Registrations.Count == 1);
    }

    [Fact]
    public async Task Beat_AfterRegistryWasAwayAndLostEverything_RegistersAgain()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        var pause = await NextPauseAsync();
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone"));
        _clock.Advance(pause);
        pause = await NextPauseAsync();
        Assert.InRange(pause, TimeSpan.Zero, TimeSpan.FromMilliseconds(100));

        _plane.ForgetAllInstances();
        _plane.FailWith(null);
        _clock.Advance(pause);

        await WaitAsync(plane => plane.Registrations.Count == 2);
    }

    [Fact]
    public async Task Beat_WhenRefused_RegistersAgain()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        var pause = await NextPauseAsync();
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Rejected, "unknown check"));
        _clock.Advance(pause);
        pause = await NextPauseAsync();

        _plane.FailWith(null);
        _clock.Advance(pause);

        await WaitAsync(plane => plane.Registrations.Count == 2);
    }

    [Theory]
    [InlineData(8, 8)]
    [InlineData(86400, 15)]
    public async Task Start_WhenAskedToWait_WaitsThatLongButNotLongerThanATimeToLive(int asked, int expected)
    {
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unavailable, "busy") { RetryAfter = TimeSpan.FromSeconds(asked) });

        _heartbeat.Start();

        Assert.Equal(TimeSpan.FromSeconds(expected), await NextPauseAsync());
    }

    [Fact]
    public async Task Beat_WithoutAnswer_IsGivenUpAndRepeated()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        var pause = await NextPauseAsync();
        _plane.Stall();
        _clock.Advance(pause);
        await _plane.WaitForParkedCallsAsync(1, cancellationToken: TestContext.Current.CancellationToken);

        _clock.Advance(MeshRegistrationDefaults.CallTimeout);
        pause = await NextPauseAsync();
        _plane.Release();
        _clock.Advance(pause);

        await WaitAsync(plane => plane.Beats.Count == 1);
    }

    [Fact]
    public async Task Leave_WithRegistryAway_EndsAnyway()
    {
        _heartbeat.Start();
        await WaitAsync(plane => plane.Registrations.Count == 1);
        await _heartbeat.StopAsync().Bounded();
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone"));

        Assert.False(await _heartbeat.AnnounceStopAsync(TestContext.Current.CancellationToken).Bounded());
        await _heartbeat.LeaveAsync(TestContext.Current.CancellationToken).Bounded();

        Assert.Empty(_plane.Deregistrations);
    }

    public async ValueTask DisposeAsync()
    {
        await _heartbeat.DisposeAsync();
        _plane.Dispose();
        await _services.DisposeAsync();
    }

    private Task WaitAsync(Func<InMemoryControlPlane, bool> condition) =>
        _plane.WaitForAsync(condition, cancellationToken: TestContext.Current.CancellationToken);

    // One timer is armed at a time: that of the pause between two calls, or that of a call's time limit. The clock stands still, so
    // that the limit is known by its length, which no pause here has.
    private async Task<TimeSpan> NextPauseAsync()
    {
        TimeSpan? pause = null;
        await Eventually.HoldsAsync(() => (pause = _clock.NextDueIn) is { } due && due != MeshRegistrationDefaults.CallTimeout && _plane.ParkedCalls == 0);
        return pause!.Value;
    }
}
