using System.Text.Json;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Sessions_CreatedAndEnded_AnswerAlike()
    {
        var node = (await GetAsync("/v1/agent/self")).Json.GetProperty("Config").GetProperty("NodeName").GetString();
        var id = await CreateSessionAsync($$"""{"Name":"{{Prefix}}","TTL":"15s","LockDelay":"2s","Zed":1}""");
        Assert.Equal(
            $$"""[{"ID":"{{id}}","Name":"{{Prefix}}","Node":"{{node}}","LockDelay":2000000000,"Behavior":"release","TTL":"15s","NodeChecks":["serfHealth"],"ServiceChecks":null,"CreateIndex":0,"ModifyIndex":0}]""",
            (await GetAsync("/v1/session/info/" + id)).Compact);
        Assert.Equal((await GetAsync("/v1/session/info/" + id)).Compact, (await PutAsync("/v1/session/renew/" + id)).Compact);
        Assert.Contains(id, (await GetAsync("/v1/session/list")).Body, StringComparison.Ordinal);
        Assert.Contains(id, (await GetAsync("/v1/session/node/" + node)).Body, StringComparison.Ordinal);
        Assert.Equal("[]", (await GetAsync("/v1/session/node/nope")).Compact);
        Assert.Equal((200, "true"), Plain(await PutAsync("/v1/session/destroy/" + id)));
        Assert.Equal((200, "true"), Plain(await PutAsync("/v1/session/destroy/" + id)));
        Assert.Equal("[]", (await GetAsync("/v1/session/info/" + id)).Compact);
        Assert.Equal((404, $"Session id '{id}' not found"), Plain(await PutAsync("/v1/session/renew/" + id)));
    }

    [Theory]
    [InlineData(null, """{"LockDelay":15000000000,"Behavior":"release","TTL":"","NodeChecks":["serfHealth"],"ServiceChecks":null}""")]
    [InlineData("""{"NodeChecks":[],"Behavior":"delete","TTL":"10s"}""", """{"LockDelay":15000000000,"Behavior":"delete","TTL":"10s","NodeChecks":[],"ServiceChecks":null}""")]
    [InlineData("""{"LockDelay":"61s"}""", """{"LockDelay":61000000000,"Behavior":"release","TTL":"","NodeChecks":["serfHealth"],"ServiceChecks":null}""")]
    [InlineData("""{"LockDelay":999}""", """{"LockDelay":999000000000,"Behavior":"release","TTL":"","NodeChecks":["serfHealth"],"ServiceChecks":null}""")]
    [InlineData("""{"LockDelay":1000}""", """{"LockDelay":1000,"Behavior":"release","TTL":"","NodeChecks":["serfHealth"],"ServiceChecks":null}""")]
    [InlineData("""{"LockDelay":7}""", """{"LockDelay":7000000000,"Behavior":"release","TTL":"","NodeChecks":["serfHealth"],"ServiceChecks":null}""")]
    [InlineData("""{"name":"n","lockdelay":"0s","checks":["serfHealth"],"ttl":"10s"}""", """{"LockDelay":0,"Behavior":"release","TTL":"10s","NodeChecks":["serfHealth"],"ServiceChecks":null}""")]
    public async Task Sessions_OfAnyBody_AreFilledInAlike(string? body, string expected)
    {
        var id = await CreateSessionAsync(body);
        using var wanted = JsonDocument.Parse(expected);
        var session = (await GetAsync("/v1/session/info/" + id)).Json[0];
        foreach (var property in wanted.RootElement.EnumerateObject())
        {
            Assert.Equal(property.Value.GetRawText(), JsonSerializer.Serialize(session.GetProperty(property.Name)));
        }

        await PutAsync("/v1/session/destroy/" + id);
    }

    [Theory]
    [InlineData("""{"TTL":"5s"}""", "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]", true)]
    [InlineData("""{"TTL":"90000s"}""", "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]", true)]
    [InlineData("""{"TTL":"x"}""", "Session TTL 'x' invalid: time: invalid duration", true)]
    [InlineData("""{"Behavior":"x"}""", "Invalid Behavior setting 'x'", true)]
    [InlineData("""{"Node":"nope"}""", "Missing node registration", true)]
    [InlineData("""{"NodeChecks":["nocheck"]}""", "Missing check 'nocheck' registration", true)]
    [InlineData("{", "Request decode failed: unexpected EOF", false)]
    public async Task Sessions_WrongBodies_AreRefusedInTheSameWords(string body, string text, bool byTheStore)
    {
        var answer = await PutAsync("/v1/session/create", body);
        Assert.Equal(byTheStore ? RefusedStatus : 400, answer.Status);
        Assert.StartsWith(text, answer.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/v1/session/info/", 400, "Missing session")]
    [InlineData("PUT", "/v1/session/renew/", 400, "Missing session")]
    [InlineData("PUT", "/v1/session/destroy/", 400, "Missing session")]
    [InlineData("GET", "/v1/session/create", 405, "method GET not allowed")]
    public async Task Sessions_WrongCalls_AreRefusedInTheSameWords(string method, string path, int status, string text) =>
        Assert.Equal((status, text), Plain(await SendAsync(method, path)));

    [Fact]
    public async Task Locks_GoThroughTheirStatesAlike()
    {
        var key = $"/v1/kv/{Prefix}/lock";
        var one = await CreateSessionAsync("""{"LockDelay":"3s"}""");
        var two = await CreateSessionAsync(null);
        Assert.Equal((200, "true"), Plain(await PutAsync($"{key}?acquire={one}", "1")));
        Assert.Equal((1, one), await LockAsync(key));
        Assert.Equal((200, "true"), Plain(await PutAsync($"{key}?acquire={one}", "1b")));
        Assert.Equal((1, one), await LockAsync(key));
        Assert.Equal((200, "false"), Plain(await PutAsync($"{key}?acquire={two}", "2")));
        Assert.Equal((200, "true"), Plain(await PutAsync(key, "plain")));
        Assert.Equal((0, one), await LockAsync(key));
        Assert.Equal((200, "false"), Plain(await PutAsync($"{key}?release={two}", "x")));
        Assert.Equal((200, "true"), Plain(await PutAsync($"{key}?release={one}", "x")));
        Assert.Equal((0, ""), await LockAsync(key));
        Assert.Equal((200, "true"), Plain(await PutAsync($"{key}?acquire={one}", "o")));
        Assert.Equal((1, one), await LockAsync(key));
        await PutAsync("/v1/session/destroy/" + one);
        Assert.Equal((1, ""), await LockAsync(key));
        Assert.Equal((200, "false"), Plain(await PutAsync($"{key}?acquire={two}", "o")));
        await UntilAsync(async () => Plain(await PutAsync($"{key}?acquire={two}", "o")) == (200, "true"));
        Assert.Equal((2, two), await LockAsync(key));
        await PutAsync("/v1/session/destroy/" + two);
    }

    [Fact]
    public async Task Locks_OfASessionWithDelete_GoWithTheirKeys()
    {
        var key = $"/v1/kv/{Prefix}/gone";
        var id = await CreateSessionAsync("""{"Behavior":"delete","LockDelay":"0s"}""");
        await PutAsync($"{key}?acquire={id}", "1");
        var index = (await GetAsync(key)).Index!.Value;
        var (answer, waited) = await WatchAsync(key, index, () => PutAsync("/v1/session/destroy/" + id));
        Assert.True(waited);
        Assert.Equal(404, answer.Status);
    }

    [Fact]
    public async Task Sessions_OfACheckThatFails_End()
    {
        await PutAsync("/v1/agent/service/register", $$"""{"Name":"{{Prefix}}","Port":1,"Check":{"TTL":"10m","Status":"passing"} }""");
        await UntilAsync(async () => (await GetAsync($"/v1/health/service/{Prefix}?passing")).Json.GetArrayLength() == 1);
        var id = await CreateSessionAsync($$"""{"NodeChecks":["serfHealth","service:{{Prefix}}"],"LockDelay":"0s"}""");
        await PutAsync($"/v1/kv/{Prefix}/c?acquire={id}", "1");
        await PutAsync($"/v1/agent/check/fail/service:{Prefix}");
        await UntilAsync(async () => (await GetAsync("/v1/session/info/" + id)).Json.GetArrayLength() == 0);
        Assert.Equal((1, ""), await LockAsync($"/v1/kv/{Prefix}/c"));
        await PutAsync($"/v1/agent/service/deregister/{Prefix}");
    }

    private async Task<string> CreateSessionAsync(string? body)
    {
        var answer = await PutAsync("/v1/session/create", body);
        Assert.True(answer.Status == 200, answer.Body);
        return answer.Json.GetProperty("ID").GetString()!;
    }

    private async Task<(int, string)> LockAsync(string key)
    {
        var entry = (await GetAsync(key)).Json[0];
        return (entry.GetProperty("LockIndex").GetInt32(), entry.TryGetProperty("Session", out var session) ? session.GetString()! : "");
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var end = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        while (!await condition())
        {
            Assert.True(Environment.TickCount64 < end, "The condition did not come true in time.");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }
    }
}
