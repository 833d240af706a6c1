using FsCheck;
using FsCheck.Fluent;
using MeshClient.Resilience;

namespace MeshClient.Tests.Resilience;

public sealed class TimeoutHeaderTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(40);

    [Fact]
    public void GrpcTimeout_AnySpan_IsReadBackNoLongerAndHasEightDigitsAtMost() =>
        Prop.ForAll(Spans(), span =>
        {
            var text = TimeoutHeader.GrpcTimeout(span);
            Assert.Matches("^[0-9]{1,8}[mS]$", text);
            Assert.True(TimeoutHeader.TryParseGrpc(text, out var back));
            // A millisecond is the least, and above eight digits of them seconds have to do.
            Assert.InRange(back, TimeSpan.FromMilliseconds(1), Max(span, TimeSpan.FromMilliseconds(1)));
            var lost = span > TimeSpan.FromDays(1) ? TimeSpan.FromSeconds(1) : TimeSpan.FromMilliseconds(1);
            Assert.True(span > Longest || span - back < lost);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Milliseconds_AnySpan_IsReadBackNoLonger() =>
        Prop.ForAll(Spans(), span =>
        {
            Assert.True(TimeoutHeader.TryParseMilliseconds(TimeoutHeader.Milliseconds(span), out var back));
            Assert.InRange(back, TimeSpan.FromMilliseconds(1), Max(span, TimeSpan.FromMilliseconds(1)));
            Assert.True(span > Longest || span - back < TimeSpan.FromMilliseconds(1));
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void TryParse_AnyText_DoesNotThrowAndIsNeverLessThanNothing() =>
        Prop.ForAll(ArbMap.Default.ArbFor<string>(), text =>
        {
            var (isGrpc, isHttp) = (TimeoutHeader.TryParseGrpc(text, out var grpc), TimeoutHeader.TryParseMilliseconds(text, out var http));
            return isGrpc ? grpc >= TimeSpan.Zero : grpc == default && (isHttp ? http >= TimeSpan.Zero : http == default);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Theory]
    [InlineData("2H", 7_200_000)]
    [InlineData("3M", 180_000)]
    [InlineData("4S", 4_000)]
    [InlineData("5m", 5)]
    [InlineData("6000u", 6)]
    [InlineData("7000000n", 7)]
    [InlineData("0S", 0)]
    [InlineData("99999999H", 40L * 24 * 3_600_000)]
    public void TryParseGrpc_EveryUnit_IsRead(string text, long milliseconds)
    {
        Assert.True(TimeoutHeader.TryParseGrpc(text, out var left));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), left);
    }

    [Fact]
    public void TryParseGrpc_LessThanATick_IsNotOver()
    {
        Assert.True(TimeoutHeader.TryParseGrpc("1n", out var left));
        Assert.True(left > TimeSpan.Zero);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("m")]
    [InlineData("5x")]
    [InlineData("-5m")]
    [InlineData("5 m")]
    [InlineData("1.5S")]
    [InlineData("123456789m")]
    public void TryParseGrpc_Malformed_IsNotRead(string text) => Assert.False(TimeoutHeader.TryParseGrpc(text, out _));

    [Theory]
    [InlineData("250", true, 250)]
    [InlineData("0", true, 0)]
    [InlineData("-7", true, 0)]
    [InlineData("", false, 0)]
    [InlineData("1.5", false, 0)]
    [InlineData("1, 2", false, 0)]
    [InlineData("99999999999999999999", false, 0)]
    public void TryParseMilliseconds_Text_IsReadOrNot(string text, bool isRead, int milliseconds)
    {
        Assert.Equal(isRead, TimeoutHeader.TryParseMilliseconds(text, out var left));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), left);
    }

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private static Arbitrary<TimeSpan> Spans() => Arb.From(
        from scale in Gen.Choose(0, 17)
        from number in Gen.Choose(1, 99)
        select TimeSpan.FromTicks((long)(number * Math.Pow(10, scale))));
}
