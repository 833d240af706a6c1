using MeshClient.Server.HealthChecks;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.HealthChecks;

public sealed class SelfPreservationTests
{
    [Theory]
    [InlineData(0, 100, false)]
    [InlineData(2, 0, false)]
    [InlineData(3, 0, true)]
    [InlineData(15, 85, false)]
    [InlineData(16, 84, true)]
    [InlineData(100, 0, true)]
    public void Keeps_WithTheDefaultThreshold_WhenFewerThanThatAreBeaten(int overdue, int alive, bool keeps) =>
        Assert.Equal(keeps, new SelfPreservation(MeshServerDefaults.SelfPreservationThreshold).Keeps(overdue, alive));

    [Fact]
    public async Task Instances_WhenAllBeatsStopAtOnce_AreKeptUntilTheyComeAgain()
    {
        await using var server = await StartAsync(20);
        for (var minute = 0; minute < 10; minute++)
        {
            server.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(20, CountPassing(server));
        Assert.Contains("meshclient_server_self_preservation_active 1\n", (await server.GetAsync("/v1/agent/metrics?format=prometheus")).Body, StringComparison.Ordinal);

        // All but one come back: the one is judged for itself now.
        for (var i = 1; i < 20; i++)
        {
            await server.MustPutAsync($"/v1/agent/check/pass/service:s{i}");
        }

        Assert.Contains("meshclient_server_self_preservation_active 0\n", (await server.GetAsync("/v1/agent/metrics?format=prometheus")).Body, StringComparison.Ordinal);
        server.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(CheckStatus.Critical, server.State.Catalog.FindCheck("service:s0", out _)!.Status);
        Assert.Equal(19, CountPassing(server));
    }

    [Fact]
    public async Task Instance_ThatGoesSilentAlone_TurnsCriticalHalfItsTimeToLiveLater()
    {
        await using var server = await StartAsync(20);
        for (var second = 0; second < 14; second++)
        {
            server.Time.Advance(TimeSpan.FromSeconds(1));
            await BeatAllButTheFirstAsync(server);
        }

        Assert.Equal(20, CountPassing(server));
        server.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(19, CountPassing(server));
    }

    // Beats are spread over half their time to live, as clients spread them: the first to be missed must not be lost.
    [Fact]
    public async Task Instances_WhoseBeatsWereSpread_AreAllKept()
    {
        await using var server = await StartAsync(20);
        for (var i = 0; i < 20; i++)
        {
            server.Time.Advance(TimeSpan.FromMilliseconds(250));
            await server.MustPutAsync($"/v1/agent/check/pass/service:s{i}");
        }

        server.Time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(20, CountPassing(server));
    }

    [Fact]
    public async Task Instances_WithoutTheOption_TurnCriticalTogether()
    {
        await using var server = await TestServer.StartAsync();
        await RegisterAsync(server, 20);
        server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0, CountPassing(server));
    }

    [Fact]
    public async Task Instances_ThatAreKept_AreNotTakenOut()
    {
        await using var server = await StartAsync(20);
        await server.MustPutAsync("/v1/agent/check/register", """{"ID":"own","Name":"own","ServiceID":"s0","TTL":"1000h","Status":"critical","DeregisterCriticalServiceAfter":"1m"}""");
        for (var minute = 0; minute < 10; minute++)
        {
            server.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(20, server.State.Catalog.Instances.Count);
    }

    private static async Task<TestServer> StartAsync(int count)
    {
        var server = await TestServer.StartAsync(options => options.SelfPreservation = true);
        await RegisterAsync(server, count);
        return server;
    }

    private static async Task RegisterAsync(TestServer server, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await server.RegisterAsync("s", $"s{i}", """{"TTL":"10s","Status":"passing","DeregisterCriticalServiceAfter":"1m"}""");
        }
    }

    private static async Task BeatAllButTheFirstAsync(TestServer server)
    {
        for (var i = 1; i < 20; i++)
        {
            await server.MustPutAsync($"/v1/agent/check/pass/service:s{i}");
        }
    }

    private static int CountPassing(TestServer server) =>
        server.State.Catalog.Instances.Values.Count(instance => instance.FindCheck($"service:{instance.Id}")!.Status == CheckStatus.Passing);
}
