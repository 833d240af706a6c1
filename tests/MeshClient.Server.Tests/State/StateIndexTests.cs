using MeshClient.Server.State;

namespace MeshClient.Server.Tests.State;

public sealed class StateIndexTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    [Fact]
    public void First_OfALaterRun_IsAboveAllWritesOfTheEarlier()
    {
        var first = StateIndex.First(Now, 0);
        Assert.True(StateIndex.First(Now.AddSeconds(1), 0) > first + 1_000_000);
    }

    [Fact]
    public void First_WhenTheClockWentBack_IsAboveTheStoredIndex() =>
        Assert.Equal(8_000_000_000_000_001UL, StateIndex.First(Now, 8_000_000_000_000_000));

    [Fact]
    public void First_AtTheEndOf2038_CanStillBeReadByJavaScript() =>
        Assert.True(StateIndex.First(new DateTimeOffset(2038, 12, 31, 0, 0, 0, TimeSpan.Zero), 0) < 1UL << 53);

    [Fact]
    public void First_BeforeTheEpoch_IsNotZero() => Assert.NotEqual(0UL, StateIndex.First(DateTimeOffset.MinValue, 0));
}
