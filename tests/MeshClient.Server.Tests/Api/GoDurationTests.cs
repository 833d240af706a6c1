using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.Tests.Api;

/// <summary>The examples are those of Go's own documentation and of the captures.</summary>
public sealed class GoDurationTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("-0", 0)]
    [InlineData("0s", 0)]
    [InlineData("5s", 5_000_000_000)]
    [InlineData("+5s", 5_000_000_000)]
    [InlineData("-5s", -5_000_000_000)]
    [InlineData("1h30m", 5_400_000_000_000)]
    [InlineData("1m0s", 60_000_000_000)]
    [InlineData("100ms", 100_000_000)]
    [InlineData("1.5s", 1_500_000_000)]
    [InlineData(".5s", 500_000_000)]
    [InlineData("5.s", 5_000_000_000)]
    [InlineData("1us", 1_000)]
    [InlineData("1\u00B5s", 1_000)]
    [InlineData("1\u03BCs", 1_000)]
    [InlineData("1ns", 1)]
    [InlineData("1.000000001s", 1_000_000_001)]
    [InlineData("0.3333333333333333333h", 1_200_000_000_000)]
    [InlineData("2562047h47m16.854775807s", long.MaxValue)]
    [InlineData("-2562047h47m16.854775808s", long.MinValue)]
    public void TryParse_OfAValidText_ReadsIt(string text, long nanoseconds)
    {
        Assert.True(GoDuration.TryParse(text, out var duration, out _));
        Assert.Equal(nanoseconds, duration.Nanoseconds);
    }

    [Theory]
    [InlineData("", "time: invalid duration \"\"")]
    [InlineData("3", "time: missing unit in duration \"3\"")]
    [InlineData("-", "time: invalid duration \"-\"")]
    [InlineData("s", "time: invalid duration \"s\"")]
    [InlineData(".", "time: invalid duration \".\"")]
    [InlineData(".s", "time: invalid duration \".s\"")]
    [InlineData("soon", "time: invalid duration \"soon\"")]
    [InlineData("1x", "time: unknown unit \"x\" in duration \"1x\"")]
    [InlineData("10 parsecs", "time: unknown unit \" parsecs\" in duration \"10 parsecs\"")]
    [InlineData("1S", "time: unknown unit \"S\" in duration \"1S\"")]
    [InlineData("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\"")]
    [InlineData("3000000h", "time: invalid duration \"3000000h\"")]
    public void TryParse_OfAnInvalidText_SaysWhatGoSays(string text, string problem)
    {
        Assert.False(GoDuration.TryParse(text, out _, out var said));
        Assert.Equal(problem, said);
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(1, "1ns")]
    [InlineData(1_100, "1.1µs")]
    [InlineData(2_200_000, "2.2ms")]
    [InlineData(3_300_000_000, "3.3s")]
    [InlineData(245_000_000_000, "4m5s")]
    [InlineData(5_400_000_000_000, "1h30m0s")]
    [InlineData(259_200_000_000_000, "72h0m0s")]
    [InlineData(-1_500_000_000, "-1.5s")]
    [InlineData(long.MinValue, "-2562047h47m16.854775808s")]
    public void ToString_OfADuration_IsWhatGoPrints(long nanoseconds, string text) =>
        Assert.Equal(text, new GoDuration(nanoseconds).ToString());

    [Fact]
    public void TryParse_OfWhatToStringPrinted_GivesTheSame() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<DoNotSize<long>>(),
            number => GoDuration.TryParse(new GoDuration(number.Item).ToString(), out var again, out _) && again.Nanoseconds == number.Item)
            .QuickCheckThrowOnFailure();

    [Fact]
    public void TryParse_OfPartsWithUnits_IsTheirSum() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<byte[]>(),
            parts =>
            {
                string[] units = ["ns", "us", "ms", "s", "m", "h"];
                long[] lengths = [1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000];
                var text = "0s" + string.Concat(parts.Select((part, i) => $"{part}{units[i % 6]}"));
                var sum = parts.Select((part, i) => part * lengths[i % 6]).Sum();
                return GoDuration.TryParse(text, out var duration, out _) && duration.Nanoseconds == sum;
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void TryParse_OfAnyText_NeitherThrowsNorIsSilentAboutAProblem()
    {
        var piece = Gen.Elements("1", "99", ".", "-", "+", "h", "m", "s", "ms", "us", "µs", "ns", " ", "é", "9223372036854775807", "\"", "\\");
        var text = piece.ArrayOf().Select(string.Concat);
        Prop.ForAll(text.ToArbitrary(), sample => GoDuration.TryParse(sample, out _, out var problem) == (problem.Length == 0))
            .QuickCheckThrowOnFailure();
    }
}
