using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.AspNetCore.Tests.Registration;

public sealed class InboundDrainTests
{
    private readonly InboundDrain _drain = new(TimeProvider.System);

    [Fact]
    public async Task WaitUntilIdle_WithNothingUnderWay_EndsAtOnce()
    {
        _drain.Begin();

        await _drain.WaitUntilIdleAsync(TestContext.Current.CancellationToken).Bounded();
    }

    [Fact]
    public async Task WaitUntilIdle_WithRequestsUnderWay_EndsWithTheLast()
    {
        _drain.Enter(new FeatureCollection());
        _drain.Enter(new FeatureCollection());
        _drain.Begin();
        var idle = _drain.WaitUntilIdleAsync(TestContext.Current.CancellationToken);

        _drain.Leave();
        Assert.False(idle.IsCompleted);
        _drain.Leave();

        await idle.Bounded();
    }

    [Fact]
    public async Task WaitUntilIdle_AfterAnIdleMomentDuringTheDrain_StillWaitsForWhatCameThen()
    {
        _drain.Begin();
        _drain.Enter(new FeatureCollection());
        _drain.Leave();
        _drain.Enter(new FeatureCollection());

        var idle = _drain.WaitUntilIdleAsync(TestContext.Current.CancellationToken);

        Assert.False(idle.IsCompleted);
        _drain.Leave();
        await idle.Bounded();
    }

    [Fact]
    public async Task WaitUntilIdle_OnceGivenUp_CanBeAskedAgain()
    {
        _drain.Begin();
        _drain.Enter(new FeatureCollection());
        using var gaveUp = new CancellationTokenSource();
        var first = _drain.WaitUntilIdleAsync(gaveUp.Token);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Bounded());

        var second = _drain.WaitUntilIdleAsync(TestContext.Current.CancellationToken);
        Assert.False(second.IsCompleted);
        _drain.Leave();

        await second.Bounded();
    }

    [Fact]
    public void Enter_OnlyWhileDraining_AsksTheConnectionToEnd()
    {
        var connection = new Connection();
        var features = new FeatureCollection();
        features.Set<IConnectionLifetimeNotificationFeature>(connection);

        _drain.Enter(features);
        Assert.False(connection.Asked);
        _drain.Begin();
        _drain.Enter(features);

        Assert.True(connection.Asked);
    }

    private sealed class Connection : IConnectionLifetimeNotificationFeature
    {
        public bool Asked { get; private set; }

        public CancellationToken ConnectionClosedRequested { get; set; }

        public void RequestClose() => Asked = true;
    }
}
