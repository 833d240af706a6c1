using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Reads that wait: what wakes them, what does not, and how they end.</summary>
public sealed class BlockingApiTests
{
    [Fact]
    public async Task Health_WhenItsServiceChanges_Wakes()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var index = (await server.GetAsync("/v1/health/service/web")).Index;
        var parked = await server.ParkAsync("/v1/health/service/web", index);
        await server.MustPutAsync("/v1/agent/check/warn/service:web?note=hm");
        var answer = await parked;
        Assert.True(answer.Index > index);
        Assert.Contains("\"warning\"", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_WhenOthersChangeOrNothingDoes_SleepsOn()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"1h","Status":"passing"}""");
        var index = (await server.GetAsync("/v1/health/service/web")).Index;
        var parked = await server.ParkAsync("/v1/health/service/web", index);

        await server.RegisterAsync("other");
        await server.MustPutAsync("/v1/agent/check/fail/service:other");
        await server.MustPutAsync("/v1/agent/service/deregister/other");
        await server.RegisterAsync("web", check: """{"TTL":"1h","Status":"passing"}""");
        await server.MustPutAsync("/v1/agent/check/pass/service:web");
        await server.MustPutAsync("/v1/agent/check/pass/service:web?note=only%20the%20output");
        await server.MustPutAsync("/v1/connect/intentions/exact?source=a&destination=b", """{"Action":"deny"}""");
        await server.GetAsync("/v1/agent/connect/ca/leaf/web");

        // The wait is the only thing left that can end it, with the very same index.
        Assert.False(parked.IsCompleted);
        server.Time.Advance(TimeSpan.FromSeconds(64));
        Assert.Equal(index, (await parked).Index);
    }

    [Theory]
    [InlineData("60s", 60)]
    [InlineData("100ms", 0.1)]
    [InlineData("1h", 600)]
    [InlineData("0", 300)]
    [InlineData("-5s", 300)]
    [InlineData("", 300)]
    public async Task Health_WhenTheWaitIsOver_AnswersWithinASixteenthOfIt(string wait, double seconds)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"1h","Status":"passing"}""");
        var index = (await server.GetAsync("/v1/health/service/web")).Index;
        var parked = await server.ParkAsync("/v1/health/service/web", index, wait);
        await server.Time.WaitForTimersAsync(3, cancellationToken: TestServer.Cancellation);
        server.Time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromTicks(1));
        Assert.Equal(1, server.Store.Watches.Count);
        server.Time.Advance((TimeSpan.FromSeconds(seconds) / 16) + TimeSpan.FromTicks(1));
        var answer = await parked;
        Assert.Equal((HttpStatusCode.OK, index), (answer.Status, answer.Index));
        Assert.Equal(1, answer.Json.GetArrayLength());
    }

    [Theory]
    [InlineData("index=0&wait=10m")]
    [InlineData("wait=10m")]
    [InlineData("index=1&wait=10m")]
    [InlineData("index=18446744073709551615&wait=10m")]
    public async Task Health_WithoutAnIndexOfNow_AnswersAtOnce(string query)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/health/service/web?" + query)).Status);
    }

    [Fact]
    public async Task Health_OfAnAbsentService_WakesWhenItAppearsAndAgainWhenItGoes()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("other");
        var index = (await server.GetAsync("/v1/health/service/ghost")).Index;
        var parked = await server.ParkAsync("/v1/health/service/ghost", index);
        await server.MustPutAsync("/v1/agent/service/deregister/other");
        Assert.False(parked.IsCompleted);
        await server.RegisterAsync("ghost");
        var appeared = await parked;
        Assert.Equal(1, appeared.Json.GetArrayLength());
        parked = await server.ParkAsync("/v1/health/service/ghost", appeared.Index);
        await server.MustPutAsync("/v1/agent/service/deregister/ghost");
        var gone = await parked;
        Assert.Equal("[]", gone.Body);
        Assert.True(gone.Index > appeared.Index && appeared.Index > index);
    }

    [Fact]
    public async Task Health_WhenATimeToLiveRunsOut_Wakes()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var parked = await server.ParkAsync("/v1/health/service/web?passing", (await server.GetAsync("/v1/health/service/web")).Index);
        server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("[]", (await parked).Body);
    }

    [Fact]
    public async Task Health_WhenANodeCheckComes_WakesEveryServiceOnTheNode()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var web = await server.ParkAsync("/v1/health/service/web", (await server.GetAsync("/v1/health/service/web")).Index);
        var none = await server.ParkAsync("/v1/health/connect/none", (await server.GetAsync("/v1/health/connect/none")).Index);
        await server.MustPutAsync("/v1/agent/check/register", """{"Name":"disk","TTL":"10m"}""");
        await web;
        Assert.False(none.IsCompleted);
        await server.MustPutAsync("/v1/agent/service/deregister/web");
        Assert.False(none.IsCompleted);
        await server.StopAsync();
        await none;
    }

    [Fact]
    public async Task Connect_WhenAProxyOfTheServiceComes_Wakes()
    {
        await using var server = await TestServer.StartAsync();
        var parked = await server.ParkAsync("/v1/health/connect/db", (await server.GetAsync("/v1/health/connect/db")).Index);
        await server.RegisterAsync("db");
        Assert.False(parked.IsCompleted);
        await server.RegisterAsync("db-proxy", more: ""","Kind":"connect-proxy","Proxy":{"DestinationServiceName":"db"}""");
        Assert.Equal(1, (await parked).Json.GetArrayLength());
    }

    [Fact]
    public async Task CatalogServices_OnlyWakesWhenAServiceDoes()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var parked = await server.ParkAsync("/v1/catalog/services", (await server.GetAsync("/v1/catalog/services")).Index);
        await server.MustPutAsync("/v1/agent/check/fail/service:web");
        Assert.False(parked.IsCompleted);
        await server.RegisterAsync("api");
        Assert.Equal("""{"api":[],"web":[]}""", (await parked).Body);
    }

    [Theory]
    [InlineData("/v1/connect/intentions")]
    [InlineData("/v1/connect/intentions/match?by=destination&name=b")]
    public async Task Intentions_WhenOneIsWritten_Wake(string path)
    {
        await using var server = await TestServer.StartAsync();
        var index = (await server.GetAsync(path)).Index;
        var parked = await server.ParkAsync(path, index);
        await server.RegisterAsync("web");
        Assert.False(parked.IsCompleted);
        await server.MustPutAsync("/v1/connect/intentions/exact?source=a&destination=b", """{"Action":"deny"}""");
        var answer = await parked;
        Assert.True(answer.Index > index);
        Assert.Contains("\"deny\"", answer.Body, StringComparison.Ordinal);
        parked = await server.ParkAsync(path, answer.Index);
        await server.MustPutAsync("/v1/connect/intentions/exact?source=a&destination=b", """{"Action":"deny"}""");
        Assert.False(parked.IsCompleted);
        await server.MustPutAsync("/v1/connect/intentions/exact?source=a&destination=b", """{"Action":"allow"}""");
        Assert.Contains("\"allow\"", (await parked).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Parked_WhenTheCallerGoes_LeavesNothing()
    {
        await using var server = await TestServer.StartAsync();
        var timers = server.Time.ActiveTimers;
        using var caller = new CancellationTokenSource();
        var index = (await server.GetAsync("/v1/health/service/web")).Index;
        var parked = await server.ParkAsync("/v1/health/service/web", index, cancellation: caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => parked);
        await TestServer.UntilAsync(() => server.Store.Watches.Count == 0 && server.Time.ActiveTimers == timers);
    }

    [Fact]
    public async Task Parked_WhenTheServerStops_AreAnsweredAndTheStopIsQuick()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var index = (await server.GetAsync("/v1/health/service/web")).Index;
        var parked = new List<Task<Answer>>
        {
            await server.ParkAsync("/v1/health/service/web", index),
            await server.ParkAsync("/v1/agent/connect/ca/roots", (await server.GetAsync("/v1/agent/connect/ca/roots")).Index),
            await server.ParkAsync("/v1/agent/connect/ca/leaf/web", (await server.GetAsync("/v1/agent/connect/ca/leaf/web")).Index),
            await server.ParkAsync("/v1/connect/intentions", (await server.GetAsync("/v1/connect/intentions")).Index),
        };
        var hash = (await server.GetAsync("/v1/agent/service/web")).Headers["X-Consul-Contenthash"];
        parked.Add(server.GetAsync($"/v1/agent/service/web?hash={hash}"));
        await TestServer.UntilAsync(() => server.Store.Watches.Count == 5);
        await server.StopAsync().WaitAsync(TestServer.Limit, TestServer.Cancellation);
        Assert.All(await Task.WhenAll(parked), answer => Assert.Equal(HttpStatusCode.OK, answer.Status));
        Assert.Equal(0, server.Store.Watches.Count);
    }

    [Fact]
    public async Task Parked_ByTheHundred_AllWakeByOneChange()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var index = (await server.GetAsync("/v1/health/service/web")).Index;
        var parked = Enumerable.Range(0, 200).Select(_ => server.GetAsync($"/v1/health/service/web?index={index}&wait=60s")).ToList();
        await TestServer.UntilAsync(() => server.Store.Watches.Count == 200);
        await server.MustPutAsync("/v1/agent/check/fail/service:web");
        Assert.All(await Task.WhenAll(parked), answer => Assert.True(answer.Index > index));
        await TestServer.UntilAsync(() => server.Store.Watches.Count == 0);
    }
}
