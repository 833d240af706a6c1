using MeshClient.AspNetCore.Listener;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Listener;

public sealed class WaitingWorkTests
{
    private readonly FakeTimeProvider _time = new();
    private int _looks;
    private long _waiting;

    [Fact]
    public void WasSeen_NothingWaits_IsFalse()
    {
        Assert.False(Create().WasSeen());
        Assert.Equal(1, _looks);
    }

    [Fact]
    public void WasSeen_WorkWaitedAMomentAgo_IsTrueUntilTheMomentIsOver()
    {
        var work = Create();
        _waiting = 1;
        Assert.True(work.WasSeen());
        _waiting = 0;
        _time.Advance(WaitingWork.Moment - TimeSpan.FromTicks(1));
        Assert.True(work.WasSeen());
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.False(work.WasSeen());
    }

    [Fact]
    public void WasSeen_SeenJustNow_DoesNotLookAgain()
    {
        var work = Create();
        _waiting = 1;
        work.WasSeen();
        _time.Advance((WaitingWork.Moment / 2) - TimeSpan.FromTicks(1));
        Assert.True(work.WasSeen());
        Assert.Equal(1, _looks);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(work.WasSeen());
        Assert.Equal(2, _looks);
    }

    private WaitingWork Create() => new(_time, () =>
    {
        _looks++;
        return _waiting;
    });
}
