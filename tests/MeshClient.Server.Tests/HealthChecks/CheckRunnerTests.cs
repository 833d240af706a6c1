using MeshClient.Server.Api;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Server.Tests.HealthChecks;

/// <summary>Checks that the server carries out, from their registration to their end.</summary>
public sealed class CheckRunnerTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task HttpCheck_Registered_IsRunWithinItsIntervalAndThenAtIt()
    {
        var (hits, code) = (0, 200);
        await using var target = await ProbeTarget.StartAsync(http =>
        {
            Interlocked.Increment(ref hits);
            http.Response.StatusCode = Volatile.Read(ref code);
            return Task.CompletedTask;
        });
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: $$"""{"HTTP":"http://{{target.Address}}/","Interval":"10s","Timeout":"1h"}""");
        Assert.Equal(CheckStatus.Critical, StatusOf(server));
        server.Time.Advance(TimeSpan.FromSeconds(10));
        await TestServer.UntilAsync(() => StatusOf(server) == CheckStatus.Passing);
        Volatile.Write(ref code, 503);
        await AdvanceUntilAsync(server, () => StatusOf(server) == CheckStatus.Critical);
        Assert.Contains("503 Service Unavailable", server.State.Catalog.FindCheck("service:web", out _)!.Output, StringComparison.Ordinal);
        await server.MustPutAsync("/v1/agent/service/deregister/web");
        var after = Volatile.Read(ref hits);
        server.Time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(after, Volatile.Read(ref hits));
    }

    [Fact]
    public async Task Check_WithThresholds_TurnsOnlyAfterThatManyInARow()
    {
        var (hits, code) = (0, 200);
        await using var target = await ProbeTarget.StartAsync(http =>
        {
            http.Response.StatusCode = Volatile.Read(ref code);
            Interlocked.Increment(ref hits);
            return Task.CompletedTask;
        });
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: $$"""{"HTTP":"http://{{target.Address}}/","Interval":"10s","Timeout":"1h","Status":"passing","FailuresBeforeCritical":3}""");
        Volatile.Write(ref code, 500);
        await AdvanceUntilAsync(server, () => Volatile.Read(ref hits) == 2);
        Assert.Equal(CheckStatus.Passing, StatusOf(server));
        await AdvanceUntilAsync(server, () => StatusOf(server) == CheckStatus.Critical);
        Assert.Equal(3, Volatile.Read(ref hits));
    }

    [Fact]
    public async Task Check_ThatHangs_HoldsUpNobodyAndEndsWithItsTime()
    {
        await using var hanging = await ProbeTarget.StartAsync(http => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted));
        await using var good = await ProbeTarget.StartAsync(_ => Task.CompletedTask);
        await using var server = await TestServer.StartAsync();
        for (var i = 0; i < 50; i++)
        {
            await server.RegisterAsync("hangs", $"h{i}", $$"""{"HTTP":"http://{{hanging.Address}}/","Interval":"10s","Timeout":"1h","Status":"warning"}""");
        }

        await server.RegisterAsync("web", check: $$"""{"HTTP":"http://{{good.Address}}/","Interval":"10s","Timeout":"1h"}""");
        await AdvanceUntilAsync(server, () => StatusOf(server) == CheckStatus.Passing);
        Assert.Equal(CheckStatus.Warning, StatusOf(server, "service:h0"));
        for (var i = 0; i < 50; i++)
        {
            await server.MustPutAsync($"/v1/agent/service/deregister/h{i}");
        }

        await server.RegisterAsync("slow", check: $$"""{"HTTP":"http://{{hanging.Address}}/","Interval":"10s","Timeout":"2s"}""");
        await AdvanceUntilAsync(server, () => server.State.Catalog.FindCheck("service:slow", out _)!.Output.EndsWith("context deadline exceeded", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Checks_RegisteredTogether_AreFirstRunAtRandomMomentsOfTheInterval()
    {
        const int count = 20;
        const int seed = 7;
        var hits = 0;
        await using var target = await ProbeTarget.StartAsync(_ =>
        {
            Interlocked.Increment(ref hits);
            return Task.CompletedTask;
        });
        var time = new FakeTimeProvider(Now);
        using var store = CreateStore();
        using var metrics = new ServerMetrics();
        using var runner = new CheckRunner(store, new Jitter(new Random(seed)), time, metrics, NullLogger<CheckRunner>.Instance);
        var interval = TimeSpan.FromHours(1);
        for (var i = 0; i < count; i++)
        {
            var probe = new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"http://{target.Address}/", Interval = interval };
            store.Apply(new RegisterCheck(new CheckDefinition($"c{i}", "c", "", null, null, null) { Probe = probe }, "", Now));
            runner.Follow($"c{i}");
        }

        var random = new Random(seed);
        var delays = Enumerable.Range(0, count).Select(_ => interval * random.NextDouble()).Order().ToList();
        for (var i = 0; i < count; i++)
        {
            time.Advance(Now + delays[i] - time.GetUtcNow() - TimeSpan.FromMilliseconds(2));
            Assert.Equal(i, Volatile.Read(ref hits));
            time.Advance(TimeSpan.FromMilliseconds(4));
            await TestServer.UntilAsync(() => Volatile.Read(ref hits) == i + 1);
        }
    }

    [Fact]
    public async Task Check_ThatWentAwayAndCameBackTheSame_IsRunAgain()
    {
        const int seed = 7;
        await using var target = await ProbeTarget.StartAsync(_ => Task.CompletedTask);
        var time = new FakeTimeProvider(Now);
        using var store = CreateStore();
        using var metrics = new ServerMetrics();
        using var runner = new CheckRunner(store, new Jitter(new Random(seed)), time, metrics, NullLogger<CheckRunner>.Instance);
        var random = new Random(seed);
        var interval = TimeSpan.FromHours(1);
        var probe = new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"http://{target.Address}/", Interval = interval };
        var register = new RegisterCheck(new CheckDefinition("c", "c", "", null, null, null) { Probe = probe }, "", Now);
        store.Apply(register);
        runner.Follow("c");

        // Its loop reports between the write that takes it away and the calls that follow the writes.
        store.Apply(new DeregisterCheck("c"));
        time.Advance((interval * random.NextDouble()) + TimeSpan.FromMilliseconds(1));
        await TestServer.UntilAsync(() => runner.Count == 0);
        store.Apply(register);
        runner.Follow("c");
        time.Advance((interval * random.NextDouble()) + TimeSpan.FromMilliseconds(1));
        await TestServer.UntilAsync(() => store.Current.Catalog.FindCheck("c", out _)!.Status == CheckStatus.Passing);
    }

    [Fact]
    public async Task TcpAndGrpcChecks_Registered_AreRun()
    {
        await using var target = await ProbeTarget.StartAsync(ProberTests.AnswerServingAsync, HttpProtocols.Http2);
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: "null", more: $$""","Checks":[{"CheckID":"t","TCP":"{{target.Address}}","Interval":"5s","Timeout":"1h"},{"CheckID":"g","GRPC":"{{target.Address}}","Interval":"5s","Timeout":"1h"}]""");
        await AdvanceUntilAsync(server, () => StatusOf(server, "t") == CheckStatus.Passing && StatusOf(server, "g") == CheckStatus.Passing);
        var checks = (await server.GetAsync("/v1/agent/checks")).Json;
        Assert.Equal(("tcp", "grpc"), (checks.GetProperty("t").GetProperty("Type").GetString(), checks.GetProperty("g").GetProperty("Type").GetString()));
    }

    [Fact]
    public async Task Check_ThatIsNotBeaten_CannotBeBeaten()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TCP":"127.0.0.1:1","Interval":"1h"}""");
        var answer = await server.PutAsync("/v1/agent/check/pass/service:web");
        Assert.Equal((404, "CheckID \"service:web\" does not have associated TTL"), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Output_OfACheck_IsCutAtItsOwnSize()
    {
        await using var target = await ProbeTarget.StartAsync(http => http.Response.WriteAsync(new string('x', 9000)));
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: $$"""{"HTTP":"http://{{target.Address}}/","Interval":"10s","Timeout":"1h","OutputMaxSize":50}""");
        await server.RegisterAsync("long", check: $$"""{"HTTP":"http://{{target.Address}}/","Interval":"10s","Timeout":"1h","OutputMaxSize":9000}""");
        await AdvanceUntilAsync(server, () => StatusOf(server) == CheckStatus.Passing && StatusOf(server, "service:long") == CheckStatus.Passing);
        Assert.Equal(50, server.State.Catalog.FindCheck("service:web", out _)!.Output.Length);
        Assert.Equal(4096, server.State.Catalog.FindCheck("service:long", out _)!.Output.Length);
    }

    [Fact]
    public async Task AliasCheck_OfAService_FollowsItAtOnce()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/agent/check/register", """{"Name":"a","AliasService":"web"}""");
        await TestServer.UntilAsync(() => OutputOf(server, "a") == "Service web could not be found on node n1");
        await server.RegisterAsync("web");
        await TestServer.UntilAsync(() => OutputOf(server, "a") == "All checks passing.");
        await server.MustPutAsync("/v1/agent/check/warn/service:web?note=hm");
        await TestServer.UntilAsync(() => (StatusOf(server, "a"), OutputOf(server, "a")) == (CheckStatus.Warning, "Aliased check \"Service 'web' check\" failing: hm"));
        await server.RegisterAsync("other", "web");
        await server.MustPutAsync("/v1/agent/check/fail/service:web?note=bad");
        await TestServer.UntilAsync(() => StatusOf(server, "a") == CheckStatus.Critical);
        await server.MustPutAsync("/v1/agent/service/deregister/web");
        await TestServer.UntilAsync(() => OutputOf(server, "a") == "Service web could not be found on node n1");
    }

    [Fact]
    public async Task AliasChecks_ThatFollowEachOther_RecoverTogether()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("a", check: "null", more: ""","Checks":[{"CheckID":"a-alias","AliasService":"b"},{"CheckID":"a-ttl","TTL":"1h","Status":"critical"}]""");
        await server.RegisterAsync("b", check: """{"CheckID":"b-alias","AliasService":"a"}""");
        await TestServer.UntilAsync(() => StatusOf(server, "b-alias") == CheckStatus.Critical && StatusOf(server, "a-alias") == CheckStatus.Critical);
        await server.MustPutAsync("/v1/agent/check/pass/a-ttl");
        await TestServer.UntilAsync(() => StatusOf(server, "b-alias") == CheckStatus.Passing && StatusOf(server, "a-alias") == CheckStatus.Passing);
    }

    private static StateStore CreateStore() => new(
        ServerState.CreateEmpty(1, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", 1), Now), new MemoryStateStorage(), new WatchHub());

    private static CheckStatus StatusOf(TestServer server, string checkId = "service:web") => server.State.Catalog.FindCheck(checkId, out _)!.Status;

    private static string OutputOf(TestServer server, string checkId) => server.State.Catalog.FindCheck(checkId, out _)!.Output;

    // A probe is under way in real time while the server's clock is moved on bit by bit: those that are to come back have an hour for it.
    private static async Task AdvanceUntilAsync(TestServer server, Func<bool> condition)
    {
        var end = Environment.TickCount64 + (long)TestServer.Limit.TotalMilliseconds;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, "The condition did not come true in time.");
            server.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestServer.Cancellation);
        }
    }
}
