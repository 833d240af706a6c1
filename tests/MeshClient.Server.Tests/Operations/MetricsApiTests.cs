using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using MeshClient.Server.Telemetry;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Operations;

public sealed partial class MetricsApiTests
{
    [Fact]
    public async Task Metrics_InTheFormOfPrometheus_CanAllBeRead()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.RegisterAsync("db", check: """{"TTL":"1m"}""");
        server.Time.Advance(TimeSpan.FromMinutes(1));
        await server.GetAsync("/v1/health/service/web?index=1");
        await server.GetAsync("/v1/nope");
        var answer = await server.GetAsync("/v1/agent/metrics?format=prometheus");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Headers["Content-Type"]);
        var samples = new Dictionary<string, double>();
        var types = new Dictionary<string, string>();
        foreach (var line in answer.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                types.Add(line.Split(' ')[2], line.Split(' ')[3]);
            }
            else if (!line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                var sample = Sample().Match(line);
                Assert.True(sample.Success, line);
                samples.Add(sample.Groups[1].Value, double.Parse(sample.Groups[2].ValueSpan, CultureInfo.InvariantCulture));
            }
        }

        Assert.Equal(2, samples["meshclient_server_services"]);
        Assert.Equal(1, samples["meshclient_server_nodes"]);
        Assert.Equal(1, samples["""meshclient_server_checks{status="passing"}"""]);
        Assert.Equal(2, samples["""meshclient_server_checks{status="critical"}"""]);
        Assert.Equal(2, samples["meshclient_server_check_expired_total"]);
        Assert.Equal("counter", types["meshclient_server_check_expired_total"]);
        Assert.Equal("histogram", types["meshclient_server_request_duration_seconds"]);
        const string registered = """http_request_method="PUT",http_route="/v1/agent/service/register",http_response_status_code="200",blocking="false" """;
        Assert.Equal(2, samples[$$"""meshclient_server_request_duration_seconds_count{{{registered.Trim()}}}"""]);
        Assert.Equal(2, samples[$$"""meshclient_server_request_duration_seconds_bucket{{{registered.Trim()}},le="+Inf"}"""]);
        Assert.Contains("""http_route="none",http_response_status_code="404" """.Trim(), answer.Body, StringComparison.Ordinal);
        Assert.Contains("""http_route="/v1/health/service/",http_response_status_code="200",blocking="true" """.Trim(), answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_OfMethodsNobodyKnows_AreOneSeries()
    {
        await using var server = await TestServer.StartAsync();
        for (var i = 0; i < 20; i++)
        {
            await server.SendAsync($"M{i}", "/v1/status/leader");
        }

        var lines = (await server.GetAsync("/v1/agent/metrics?format=prometheus")).Body.Split('\n');
        var counts = lines.Where(line => line.StartsWith("meshclient_server_request_duration_seconds_count", StringComparison.Ordinal));
        Assert.EndsWith("} 20", Assert.Single(counts, line => !line.Contains("\"GET\"", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_InTheFormOfConsul_HaveItsShape()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var metrics = (await server.GetAsync("/v1/agent/metrics")).Json;
        Assert.Equal("2026-11-21 03:00:00 +0000 UTC", metrics.GetProperty("Timestamp").GetString());
        Assert.Contains(metrics.GetProperty("Gauges").EnumerateArray(), gauge => gauge.GetProperty("Name").GetString() == "meshclient.server.instances" && gauge.GetProperty("Value").GetDouble() == 1);
        var sample = metrics.GetProperty("Samples")[0];
        Assert.Equal(1, sample.GetProperty("Count").GetInt64());
        Assert.Equal(sample.GetProperty("Sum").GetDouble(), sample.GetProperty("Mean").GetDouble());
        Assert.Equal("/v1/agent/service/register", sample.GetProperty("Labels").GetProperty("http.route").GetString());
    }

    [Fact]
    public async Task Metrics_OfTwoServersInOneProcess_AreKeptApart()
    {
        await using var one = await TestServer.StartAsync();
        await using var other = await TestServer.StartAsync();
        await one.RegisterAsync("web");
        Assert.Contains("meshclient_server_instances 0\n", (await other.GetAsync("/v1/agent/metrics?format=prometheus")).Body, StringComparison.Ordinal);
        Assert.DoesNotContain("/v1/agent/service/register", (await other.GetAsync("/v1/agent/metrics?format=prometheus")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OfEveryKindOfInstrument_AddsUpAsItShould()
    {
        using var meter = new Meter("test");
        using var collector = new MetricsCollector(meter);
        var counter = meter.CreateCounter<long>("a.counter");
        counter.Add(2);
        counter.Add(3);
        meter.CreateObservableCounter("b.observed", () => 7);
        meter.CreateUpDownCounter<int>("c.updown").Add(-4);
        var histogram = meter.CreateHistogram("d.histogram", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [1, 2] });
        foreach (var value in new[] { 0.5, 1, 1.5, 9 })
        {
            histogram.Record(value, new KeyValuePair<string, object?>("k", "a\"b\\c\nd"));
        }

        collector.Read();
        var text = PrometheusText.Write(collector.Read());
        Assert.Contains("a_counter_total 5\n", text, StringComparison.Ordinal);
        Assert.Contains("b_observed_total 7\n", text, StringComparison.Ordinal);
        Assert.Contains("c_updown -4\n", text, StringComparison.Ordinal);
        Assert.Contains("""d_histogram_bucket{k="a\"b\\c\nd",le="1"} 2""", text, StringComparison.Ordinal);
        Assert.Contains("""d_histogram_bucket{k="a\"b\\c\nd",le="2"} 3""", text, StringComparison.Ordinal);
        Assert.Contains("""d_histogram_bucket{k="a\"b\\c\nd",le="+Inf"} 4""", text, StringComparison.Ordinal);
        Assert.Contains("""d_histogram_sum{k="a\"b\\c\nd"} 12""", text, StringComparison.Ordinal);
    }

    [GeneratedRegex("""^([a-z_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (-?[0-9.E+-]+)$""")]
    private static partial Regex Sample();
}
