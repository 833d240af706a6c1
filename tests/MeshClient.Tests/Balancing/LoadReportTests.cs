using System.Net;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class LoadReportTests
{
    private static readonly LoadReport Expected = new(0.25, 100.5, 2);

    // cpu_utilization 0.25 (field 1), rps_fractional 100.5 (6), eps 2 (7), and a map entry (8) to skip.
    private static readonly byte[] Binary =
    [
        0x09, .. BitConverter.GetBytes(0.25), 0x31, .. BitConverter.GetBytes(100.5), 0x42, 0x03, 0x0A, 0x01, 0x78, 0x39, .. BitConverter.GetBytes(2.0),
    ];

    public static TheoryData<string, string> Forms => new()
    {
        { "endpoint-load-metrics", "cpu_utilization=0.25, rps_fractional=100.5, eps=2, named_metrics.x=7" },
        { "endpoint-load-metrics", "cpu_utilization:0.25,rps_fractional:100.5,eps:2" },
        { "endpoint-load-metrics", "TEXT cpu_utilization=0.25,rps_fractional=100.5,eps=2" },
        { "endpoint-load-metrics", "JSON {\"cpu_utilization\": 0.25, \"rps_fractional\": 100.5, \"eps\": 2, \"named_metrics\": {\"x\": 7}}" },
        { "endpoint-load-metrics", "BIN " + Convert.ToBase64String(Binary) },
        { "endpoint-load-metrics-json", "{\"cpuUtilization\": 0.25, \"rpsFractional\": 100.5, \"eps\": 2}" },
        { "endpoint-load-metrics-bin", Convert.ToBase64String(Binary) },
        { "endpoint-load-metrics-bin", Convert.ToBase64String(Binary).TrimEnd('=') },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void TryRead_EveryForm_InHeadersAndTrailers(string name, string value)
    {
        using var headers = new HttpResponseMessage(HttpStatusCode.OK);
        headers.Headers.TryAddWithoutValidation(name, value);
        Assert.True(LoadReport.TryRead(headers, out var report));
        Assert.Equal(Expected, report);

        using var trailers = new HttpResponseMessage(HttpStatusCode.OK);
        trailers.Headers.TryAddWithoutValidation("endpoint-load-metrics", "cpu_utilization=0.9");
        trailers.TrailingHeaders.TryAddWithoutValidation(name, value);
        Assert.True(LoadReport.TryRead(trailers, out report));
        Assert.Equal(Expected, report);
    }

    [Fact]
    public void TryReadText_ApplicationUtilization_WinsOverTheProcessors()
    {
        Assert.True(LoadReport.TryReadText("cpu_utilization=0.9,application_utilization=0.4,rps=7", out var report));
        Assert.Equal(new LoadReport(0.4, 7, 0), report);
    }

    [Theory]
    [InlineData("")]
    [InlineData("TEXT ")]
    [InlineData("cpu_utilization=high")]
    [InlineData("cpu_utilization=NaN,rps_fractional=1")]
    [InlineData("cpu_utilization=-1,rps_fractional=1")]
    [InlineData("cpu_utilization=0.5,eps=Infinity")]
    [InlineData("rps_fractional=100")]
    [InlineData("JSON {\"cpu_utilization\": \"0.5\"")]
    [InlineData("JSON 7")]
    [InlineData("BIN !")]
    public void TryReadText_NothingToGoBy_IsNone(string text) => Assert.False(LoadReport.TryReadText(text, out _));

    [Fact]
    public void TryRead_AnyBytes_NeverThrowsAndTellsOnlyMeasures()
    {
        Prop.ForAll(Arb.From(ArbMap.Default.GeneratorFor<byte[]>()), bytes =>
            !LoadReport.TryReadBinary(bytes, out var report) || IsMeasure(report)).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
        var cut = from length in Gen.Choose(0, Binary.Length) from flip in Gen.Choose(0, Binary.Length - 1) select (length, flip);
        Prop.ForAll(Arb.From(cut), pair =>
        {
            byte[] bytes = [.. Binary];
            bytes[pair.flip] ^= 0x55;
            return !LoadReport.TryReadBinary(bytes.AsSpan(0, pair.length), out var report) || IsMeasure(report);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
        Prop.ForAll(Arb.From(ArbMap.Default.GeneratorFor<NonNull<string>>()), text =>
            !LoadReport.TryReadText(text.Get, out var report) || IsMeasure(report)).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    private static bool IsMeasure(LoadReport report) =>
        double.IsFinite(report.Utilization) && report.Utilization > 0
        && double.IsFinite(report.CallsPerSecond) && report.CallsPerSecond >= 0
        && double.IsFinite(report.ErrorsPerSecond) && report.ErrorsPerSecond >= 0;
}
