using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Sessions and the locks they hold.</summary>
public sealed class SessionApiTests
{
    [Fact]
    public async Task Create_WithAndWithoutABody_IsListedAsConsulWritesIt()
    {
        await using var server = await TestServer.StartAsync();
        var id = await CreateAsync(server, """{"Name":"lock","TTL":"15s","LockDelay":"2s","Behavior":"release","Zed":1}""");
        var answer = await server.GetAsync("/v1/session/info/" + id);
        var index = answer.Index;
        Assert.Equal($$"""[{"ID":"{{id}}","Name":"lock","Node":"n1","LockDelay":2000000000,"Behavior":"release","TTL":"15s","NodeChecks":["serfHealth"],"ServiceChecks":null,"CreateIndex":{{index}},"ModifyIndex":{{index}}}]""", answer.Body);
        var second = await CreateAsync(server, null);
        answer = await server.GetAsync("/v1/session/info/" + second);
        Assert.Contains("\"LockDelay\":15000000000", answer.Body, StringComparison.Ordinal);
        Assert.Equal(2, (await server.GetAsync("/v1/session/list")).Json.GetArrayLength());
        Assert.Equal(2, (await server.GetAsync("/v1/session/node/n1")).Json.GetArrayLength());
        Assert.Equal("[]", (await server.GetAsync("/v1/session/node/nope")).Body);
        Assert.Equal("[]", (await server.GetAsync("/v1/session/info/00000000-0000-0000-0000-000000000000")).Body);
    }

    [Theory]
    [InlineData("""{"LockDelay":15}""", 15)]
    [InlineData("""{"LockDelay":"61s"}""", 61)]
    [InlineData("""{"LockDelay":999}""", 999)]
    [InlineData("""{"LockDelay":1000}""", 0.000001)]
    [InlineData("""{"LockDelay":3000000000}""", 3)]
    [InlineData("""{"lockdelay":"1s","checks":["serfHealth"],"ttl":"10s"}""", 1)]
    public async Task Create_ReadsDelaysAsConsulDoes(string body, double seconds)
    {
        await using var server = await TestServer.StartAsync();
        var id = await CreateAsync(server, body);
        Assert.Equal(TimeSpan.FromSeconds(seconds), server.State.Sessions.Find(id)!.LockDelay);
    }

    [Theory]
    [InlineData("""{"TTL":"5s"}""", "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]")]
    [InlineData("""{"TTL":"90000s"}""", "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]")]
    [InlineData("""{"TTL":"x"}""", "Session TTL 'x' invalid: time: invalid duration \"x\"")]
    [InlineData("""{"Behavior":"x"}""", "Invalid Behavior setting 'x'")]
    [InlineData("""{"Node":"nope"}""", "Missing node registration")]
    [InlineData("""{"NodeChecks":["nocheck"]}""", "Missing check 'nocheck' registration")]
    [InlineData("{", "Request decode failed: unexpected EOF")]
    public async Task Create_OfAWrongOne_IsRefusedInConsulsWords(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync("/v1/session/create", body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        Assert.Equal("[]", (await server.GetAsync("/v1/session/list")).Body);
    }

    [Fact]
    public async Task Locks_FollowTheirSessionAsInConsul()
    {
        await using var server = await TestServer.StartAsync();
        var one = await CreateAsync(server, """{"LockDelay":"2s"}""");
        var two = await CreateAsync(server, null);
        Assert.Equal("true", (await server.PutAsync($"/v1/kv/lk?acquire={one}", "owner1")).Body);
        Assert.Equal((1, one), await LockOfAsync(server));
        Assert.Equal("true", (await server.PutAsync($"/v1/kv/lk?acquire={one}", "owner1b")).Body);
        Assert.Equal("false", (await server.PutAsync($"/v1/kv/lk?acquire={two}", "owner2")).Body);
        Assert.Equal("true", (await server.PutAsync("/v1/kv/lk", "plain")).Body);
        Assert.Equal((0, one), await LockOfAsync(server));
        Assert.Equal("false", (await server.PutAsync($"/v1/kv/lk?release={two}", "x")).Body);
        Assert.Equal("true", (await server.PutAsync($"/v1/kv/lk?release={one}", "x")).Body);
        Assert.Equal((0, ""), await LockOfAsync(server));
        Assert.Equal("true", (await server.PutAsync($"/v1/kv/lk?acquire={one}", "o")).Body);

        // Ended: nobody takes the lock before the delay is over.
        var index = (await server.GetAsync("/v1/kv/lk")).Index;
        var parked = await server.ParkAsync("/v1/kv/lk", index);
        await server.MustPutAsync($"/v1/session/destroy/{one}");
        Assert.True((await parked).Index > index);
        Assert.Equal((1, ""), await LockOfAsync(server));
        Assert.Equal("false", (await server.PutAsync($"/v1/kv/lk?acquire={two}", "o")).Body);
        server.Time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.Equal("false", (await server.PutAsync($"/v1/kv/lk?acquire={two}", "o")).Body);
        server.Time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal("true", (await server.PutAsync($"/v1/kv/lk?acquire={two}", "o")).Body);
        Assert.Equal((2, two), await LockOfAsync(server));
    }

    [Fact]
    public async Task Sessions_NobodyRenews_EndAfterTwiceTheirTimeToLive()
    {
        await using var server = await TestServer.StartAsync();
        var kept = await CreateAsync(server, """{"TTL":"10s"}""");
        var left = await CreateAsync(server, """{"TTL":"10s","Behavior":"delete","LockDelay":"0s"}""");
        await server.MustPutAsync($"/v1/kv/kept?acquire={kept}", "v");
        await server.MustPutAsync($"/v1/kv/left?acquire={left}", "v");
        for (var second = 0; second < 19; second++)
        {
            server.Time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(kept, (await server.PutAsync($"/v1/session/renew/{kept}")).Json[0].GetProperty("ID").GetString());
        }

        Assert.NotNull(server.State.Sessions.Find(left));
        server.Time.Advance(TimeSpan.FromSeconds(2));
        await TestServer.UntilAsync(() => server.State.Sessions.Find(left) is null);
        Assert.Null(server.State.Keys.Find("left"));
        Assert.Equal(kept, server.State.Keys.Find("kept")!.Session);
        var answer = await server.PutAsync($"/v1/session/renew/{left}");
        Assert.Equal((HttpStatusCode.NotFound, $"Session id '{left}' not found"), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task Sessions_WhoseCheckFailsOrGoes_End()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"1h","Status":"passing"}""");
        var failing = await CreateAsync(server, """{"ServiceChecks":[{"ID":"service:web"}],"LockDelay":"0s"}""");
        var other = await CreateAsync(server, null);
        await server.MustPutAsync($"/v1/kv/k?acquire={failing}", "v");
        await server.MustPutAsync("/v1/agent/check/warn/service:web");
        Assert.NotNull(server.State.Sessions.Find(failing));
        await server.MustPutAsync("/v1/agent/check/fail/service:web");
        Assert.Null(server.State.Sessions.Find(failing));
        Assert.NotNull(server.State.Sessions.Find(other));
        Assert.Equal("", server.State.Keys.Find("k")!.Session);

        var answer = await server.PutAsync("/v1/session/create", """{"ServiceChecks":[{"ID":"service:web"}]}""");
        Assert.Equal("Check 'service:web' is in critical state", answer.Body);
        await server.MustPutAsync("/v1/agent/check/pass/service:web");
        var gone = await CreateAsync(server, """{"ServiceChecks":[{"ID":"service:web"}]}""");
        await server.MustPutAsync("/v1/agent/service/deregister/web");
        Assert.Null(server.State.Sessions.Find(gone));
    }

    [Fact]
    public async Task Sessions_OfAnotherNode_EndWithIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/catalog/register", """{"Node":"far","Address":"10.0.0.1"}""");
        var id = await CreateAsync(server, """{"Node":"far","NodeChecks":[]}""");
        await server.MustPutAsync($"/v1/kv/k?acquire={id}", "v");
        Assert.Equal(1, (await server.GetAsync("/v1/session/node/far")).Json.GetArrayLength());
        await server.RegisterAsync("web");
        Assert.NotNull(server.State.Sessions.Find(id));
        await server.MustPutAsync("/v1/catalog/deregister", """{"Node":"far"}""");
        Assert.Null(server.State.Sessions.Find(id));
        Assert.Equal("", server.State.Keys.Find("k")!.Session);
    }

    [Fact]
    public async Task Restart_KeepsSessionsAndLocksAndBeginsTheirTimeAnew()
    {
        var folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
        try
        {
            string id;
            ulong index;
            await using (var server = await TestServer.StartAsync(options => options.DataDirectory = folder))
            {
                id = await CreateAsync(server, """{"TTL":"10s","ServiceChecks":[]}""");
                await server.MustPutAsync($"/v1/kv/k?acquire={id}&flags=18446744073709551615", "v");
                index = (await server.GetAsync("/v1/kv/k")).Index;
                server.Time.Advance(TimeSpan.FromSeconds(15));
            }

            await using var again = await TestServer.StartAsync(options => options.DataDirectory = folder);
            var entry = again.State.Keys.Find("k")!;
            Assert.Equal((id, 1UL, ulong.MaxValue, index), (entry.Session, entry.LockIndex, entry.Flags, entry.ModifyIndex));
            Assert.Empty(again.State.Sessions.Find(id)!.ServiceChecks!.Value);
            again.Time.Advance(TimeSpan.FromSeconds(19));
            Assert.Equal(HttpStatusCode.OK, (await again.PutAsync($"/v1/session/renew/{id}")).Status);
            again.Time.Advance(TimeSpan.FromSeconds(22));
            await TestServer.UntilAsync(() => again.State.Sessions.Find(id) is null);
            Assert.Equal("", again.State.Keys.Find("k")!.Session);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> CreateAsync(TestServer server, string? body)
    {
        var answer = await server.PutAsync("/v1/session/create", body);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
        return answer.Json.GetProperty("ID").GetString()!;
    }

    private static async Task<(int, string)> LockOfAsync(TestServer server)
    {
        var entry = (await server.GetAsync("/v1/kv/lk")).Json[0];
        return (entry.GetProperty("LockIndex").GetInt32(), entry.TryGetProperty("Session", out var session) ? session.GetString()! : "");
    }
}
