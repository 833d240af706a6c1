using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Operations;

public sealed class MonitorApiTests
{
    [Fact]
    public async Task Monitor_OfALevel_StreamsLinesOfThatLevelAndEndsWithTheServer()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Http.GetAsync(
            "/v1/agent/monitor?loglevel=debug", HttpCompletionOption.ResponseHeadersRead, TestServer.Cancellation);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestServer.Cancellation));
        await server.GetAsync("/v1/status/leader?token=secret");
        string? line;
        do
        {
            line = await lines.ReadLineAsync(TestServer.Cancellation);
        }
        while (line?.Contains("/v1/status/leader", StringComparison.Ordinal) == false);
        Assert.Matches(@"^2026-11-21T03:00:00\.000Z \[DEBUG\] MeshClient\.Server\.Api\.ApiDispatcher: Request finished: method=GET url=/v1/status/leader status=200 from=127\.0\.0\.1 latency=[0-9.E-]+ms$", line);
        var rest = lines.ReadToEndAsync(TestServer.Cancellation);
        await server.StopAsync();
        Assert.DoesNotContain("secret", await rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Monitor_WithoutALevel_LeavesDebugOut()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Http.GetAsync(
            "/v1/agent/monitor", HttpCompletionOption.ResponseHeadersRead, TestServer.Cancellation);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestServer.Cancellation));
        await server.GetAsync("/v1/status/leader");
        await server.GetAsync("/v1/agent/connect/ca/leaf/web");
        Assert.Contains("[INFO]  ", await lines.ReadLineAsync(TestServer.Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Monitor_OfAnUnknownLevel_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync("/v1/agent/monitor?loglevel=bogus");
        Assert.Equal((HttpStatusCode.BadRequest, "Bad request: Unknown log level: bogus"), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task LiveAndReady_OfARunningServer_AreGood()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("live", (await server.GetAsync("/v1/status/live")).Body);
        Assert.Equal("ready", (await server.GetAsync("/v1/status/ready")).Body);
        server.Store.Watches.Close();
        var stopping = await server.GetAsync("/v1/status/ready");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "stopping"), (stopping.Status, stopping.Body));
        Assert.Equal("live", (await server.GetAsync("/v1/status/live")).Body);
    }
}
