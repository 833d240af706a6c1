using System.Net;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>agent/check/* and the clocks behind it.</summary>
public sealed class CheckApiTests
{
    [Theory]
    [InlineData("PUT", "/v1/agent/check/pass/nope", null, 404, "Unknown check ID \"nope\". Ensure that the check ID is passed, not the check name.")]
    [InlineData("PUT", "/v1/agent/check/pass/serfHealth", null, 404, "CheckID \"serfHealth\" does not have associated TTL")]
    [InlineData("PUT", "/v1/agent/check/pass/_service_maintenance:web", null, 404, "CheckID \"_service_maintenance:web\" does not have associated TTL")]
    [InlineData("PUT", "/v1/agent/check/pass/", null, 400, "CheckID missing")]
    [InlineData("GET", "/v1/agent/check/pass/x", null, 405, "method GET not allowed")]
    [InlineData("PUT", "/v1/agent/check/update/service:web", """{"Status":"maintenance"}""", 400, "Invalid check status: 'maintenance'")]
    [InlineData("PUT", "/v1/agent/check/update/service:web", "{", 400, "Request decode failed: unexpected EOF")]
    [InlineData("PUT", "/v1/agent/check/update/nope", """{"Status":"passing"}""", 404, "Unknown check ID \"nope\". Ensure that the check ID is passed, not the check name.")]
    [InlineData("PUT", "/v1/agent/check/register", """{"TTL":"10m"}""", 400, "Missing check name")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"x"}""", 400, "Invalid check: TTL must be > 0 for TTL checks")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"x","ServiceID":"nope","TTL":"10m"}""", 404, "ServiceID \"nope\" does not exist")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"h","HTTP":"ftp://127.0.0.1/","Interval":"2s"}""", 400, "Invalid check: HTTP is \"ftp://127.0.0.1/\", it has to be an absolute URL of http or https")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"h","HTTP":"http://127.0.0.1/","Interval":"2s","Method":"G T"}""", 400, "Invalid check: Method \"G T\" is not valid")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"h","HTTP":"http://127.0.0.1/","Interval":"2s","Header":{"a b":["c"]}}""", 400, "Invalid check: a header has a name or value that is not valid")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"h","HTTP":"http://127.0.0.1/","TCP":"127.0.0.1:1","Interval":"2s"}""", 400, "Invalid check: only one of HTTP, TCP and GRPC can be specified")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"h","HTTP":"http://127.0.0.1/","Interval":"2s","TTL":"2s"}""", 400, "Invalid check: Interval and TTL cannot both be specified")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"t","TCP":"127.0.0.1","Interval":"2s"}""", 400, "Invalid check: TCP is \"127.0.0.1\", it has to be host:port")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"g","GRPC":"nowhere/svc","Interval":"2s"}""", 400, "Invalid check: GRPC is \"nowhere/svc\", it has to be host:port or host:port/service")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"g","GRPC":"127.0.0.1:1"}""", 400, "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"g","GRPC":"127.0.0.1:1","Interval":"2s","FailuresBeforeCritical":-1}""", 400, "Invalid check: SuccessBeforePassing, FailuresBeforeCritical and FailuresBeforeWarning cannot be negative")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"a","AliasService":"web1","TTL":"10s"}""", 400, "Invalid check: an alias check has no TTL and no target of its own")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"d","DockerContainerID":"f00","Shell":"/bin/sh","Args":["true"],"Interval":"2s"}""", 400, "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"u","UDP":"127.0.0.1:1","Interval":"2s"}""", 400, "Invalid check: this version of the server runs TTL, HTTP, TCP, gRPC and alias checks, no UDP checks")]
    [InlineData("PUT", "/v1/agent/check/register", """{"ID":"serfHealth","Name":"u","TTL":"1s"}""", 400, "Invalid check: the ID \"serfHealth\" is the server's own")]
    [InlineData("PUT", "/v1/agent/check/deregister/nope", null, 404, "Unknown check ID \"nope\". Ensure that the check ID is passed, not the check name.")]
    [InlineData("PUT", "/v1/agent/check/deregister/serfHealth", null, 404, "Unknown check ID \"serfHealth\". Ensure that the check ID is passed, not the check name.")]
    [InlineData("GET", "/v1/agent/checks?filter=Nope==1", null, 400, "Selector \"Nope\" is not valid")]
    public async Task CheckCalls_OfSomethingWrong_AnswerInConsulsWords(string method, string path, string? body, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/service/maintenance/web?enable=true");
        var answer = await server.SendAsync(method, path, body);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Theory]
    [InlineData("pass", "passing")]
    [InlineData("warn", "warning")]
    [InlineData("fail", "critical")]
    public async Task Beat_WithANote_SetsStatusAndOutput(string verb, string status)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"10s"}""");
        await server.MustPutAsync($"/v1/agent/check/{verb}/service:web?note=all%20well");
        var check = (await server.GetAsync("/v1/agent/checks")).Json.GetProperty("service:web");
        Assert.Equal((status, "all well"), (check.GetProperty("Status").GetString(), check.GetProperty("Output").GetString()));
    }

    [Fact]
    public async Task Update_WithALongOutput_CutsIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/check/update/service:web", $$"""{"Status":"warning","Output":"{{new string('x', 5000)}}"}""");
        var check = server.State.Catalog.FindCheck("service:web", out _)!;
        Assert.Equal((CheckStatus.Warning, 4096), (check.Status, check.Output.Length));
    }

    [Fact]
    public async Task Check_ThatIsNotBeaten_ExpiresExactlyAfterItsTimeToLive()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        server.Time.Advance(TimeSpan.FromSeconds(9.999));
        Assert.Equal(CheckStatus.Passing, StatusOf(server, "service:web"));
        server.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(CheckStatus.Critical, StatusOf(server, "service:web"));
        Assert.Equal("TTL expired", server.State.Catalog.FindCheck("service:web", out _)!.Output);
    }

    [Theory]
    [InlineData("serfHealth")]
    [InlineData("_service_maintenance:web")]
    [InlineData("_node_maintenance")]
    public async Task CheckIdOfTheServersOwn_InAnyRegistration_IsRefused(string id)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var before = server.State;
        var check = $$"""{"CheckID":"{{id}}","Name":"x","TTL":"10s","Status":"critical"}""";
        foreach (var (path, body) in new[]
        {
            ("/v1/agent/service/register", $$"""{"Name":"thief","Check":{{check}}}"""),
            ("/v1/agent/service/register", $$"""{"Name":"thief","Checks":[{"TTL":"1s"},{{check}}]}"""),
            ("/v1/agent/check/register", check),
            ("/v1/agent/check/register", $$"""{"Name":"{{id}}","TTL":"10s"}"""),
        })
        {
            var answer = await server.PutAsync(path, body);
            Assert.Equal((HttpStatusCode.BadRequest, $"Invalid check: the ID \"{id}\" is the server's own"), (answer.Status, answer.Body));
        }

        Assert.Same(before, server.State);
    }

    // 2000 hours are longer than a timer of the platform goes.
    [Fact]
    public async Task Check_OfAVeryLongTimeToLive_ExpiresExactlyAfterIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"2000h","Status":"passing"}""");
        server.Time.Advance(TimeSpan.FromHours(1999));
        await server.MustPutAsync("/v1/agent/check/pass/service:web");
        server.Time.Advance(TimeSpan.FromHours(2000) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(CheckStatus.Passing, StatusOf(server, "service:web"));
        server.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(CheckStatus.Critical, StatusOf(server, "service:web"));
    }

    [Fact]
    public async Task Check_ThatIsBeaten_StartsItsTimeAnewAndComesBack()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        for (var i = 0; i < 5; i++)
        {
            server.Time.Advance(TimeSpan.FromSeconds(9));
            await server.MustPutAsync("/v1/agent/check/pass/service:web");
        }

        Assert.Equal(CheckStatus.Passing, StatusOf(server, "service:web"));
        server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(CheckStatus.Critical, StatusOf(server, "service:web"));
        await server.MustPutAsync("/v1/agent/check/pass/service:web");
        Assert.Equal(CheckStatus.Passing, StatusOf(server, "service:web"));
        server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(CheckStatus.Critical, StatusOf(server, "service:web"));
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public async Task Check_WhenTheWallClockIsSet_ExpiresAsIfItWasNot(int seconds)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        server.Time.ShiftUtcNow(TimeSpan.FromSeconds(seconds));
        server.Time.Advance(TimeSpan.FromSeconds(9.999));
        Assert.Equal(CheckStatus.Passing, StatusOf(server, "service:web"));
        server.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(CheckStatus.Critical, StatusOf(server, "service:web"));
    }

    [Fact]
    public async Task Check_OfADeregisteredService_LeavesNoClockBehind()
    {
        await using var server = await TestServer.StartAsync();
        var before = server.Time.ActiveTimers;
        await server.RegisterAsync("web");
        Assert.Equal(before + 1, server.Time.ActiveTimers);
        await server.MustPutAsync("/v1/agent/service/deregister/web");
        Assert.Equal(before, server.Time.ActiveTimers);
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/check/deregister/service:web");
        Assert.Equal(before, server.Time.ActiveTimers);
    }

    [Fact]
    public async Task Check_OfAReplacedTimeToLive_FollowsTheNewOne()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.RegisterAsync("web", check: """{"TTL":"1m"}""");
        server.Time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(CheckStatus.Passing, StatusOf(server, "service:web"));
        server.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(CheckStatus.Critical, StatusOf(server, "service:web"));
    }

    [Fact]
    public async Task Service_CriticalForTooLong_IsTakenOut()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"10s","Status":"passing","DeregisterCriticalServiceAfter":"10s"}""");
        await server.RegisterAsync("keeps");
        // Ten seconds are asked for, one minute is the least that counts; it is looked at every 30 s.
        server.Time.Advance(TimeSpan.FromSeconds(69));
        Assert.True(server.State.Catalog.Instances.ContainsKey("web"));
        server.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(["keeps"], server.State.Catalog.Instances.Keys);
        Assert.Equal(HttpStatusCode.NotFound, (await server.PutAsync("/v1/agent/check/pass/service:web")).Status);
    }

    [Fact]
    public async Task NodeCheck_Registered_ShowsWithEveryServiceAndHidesThemWhenCritical()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/check/register", """{"Name":"node disk","Notes":"node-level","TTL":"10m"}""");
        Assert.Equal("[]", (await server.GetAsync("/v1/health/service/web?passing")).Body);
        Assert.Equal(3, (await server.GetAsync("/v1/health/service/web")).Json[0].GetProperty("Checks").GetArrayLength());
        await server.MustPutAsync("/v1/agent/check/pass/node%20disk");
        Assert.Equal(1, (await server.GetAsync("/v1/health/service/web?passing")).Json.GetArrayLength());
    }

    [Fact]
    public async Task CheckRegister_WithEitherSpellingOfTheId_IsTaken()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/check/register", """{"ID":"extra","Name":"n","ServiceID":"web","TTL":"10m","Status":"passing"}""");
        await server.MustPutAsync("/v1/agent/check/register", """{"CheckID":"extra2","Name":"n","ServiceID":"web","TTL":"10m"}""");
        Assert.Equal(["extra", "extra2", "service:web"], server.State.Catalog.Instances["web"].Checks.Select(check => check.CheckId));
    }

    private static CheckStatus StatusOf(TestServer server, string checkId) => server.State.Catalog.FindCheck(checkId, out _)!.Status;
}
