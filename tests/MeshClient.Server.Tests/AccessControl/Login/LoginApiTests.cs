using System.Net;
using System.Text.Json;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.AccessControl.Login;

/// <summary>From a token of an identity provider to one that may be a service.</summary>
public sealed class LoginApiTests : IDisposable
{
    private readonly JwtSamples _samples = new();

    [Fact]
    public async Task Login_WithAGoodToken_GivesTheBoundServiceAndNoMore()
    {
        using var logs = new RecordingLogs();
        await using var server = await StartAsync(logs: logs);
        await BindAsync(server, "svc-${value.user}");
        server.Token = null;
        var bearer = _samples.Rs256(JwtSamples.Claims());
        var token = (await LoginAsync(server, bearer)).Json;
        Assert.Equal("svc-web", token.GetProperty("ServiceIdentities")[0].GetProperty("ServiceName").GetString());
        Assert.Equal(("jwt1", true), (token.GetProperty("AuthMethod").GetString(), token.GetProperty("Local").GetBoolean()));
        Assert.Equal("2026-11-21T04:00:00Z", token.GetProperty("ExpirationTime").GetString());
        Assert.Equal("token created via login: {\"pod\":\"a\"}", token.GetProperty("Description").GetString());
        var secret = token.GetProperty("SecretID").GetString()!;
        server.Token = secret;
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/connect/ca/leaf/svc-web")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.GetAsync("/v1/agent/connect/ca/leaf/web")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.GetAsync("/v1/acl/tokens")).Status);
        Assert.Contains(logs.Messages, message => message == $"Login by jwt1 as svc-web: token {token.GetProperty("AccessorID").GetString()}.");
        Assert.DoesNotContain(logs.Messages, message => message.Contains(secret, StringComparison.Ordinal) || message.Contains(bearer, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Login_ThatEnds_IsUnknownAfterwards()
    {
        var time = new FakeTimeProvider(JwtSamples.Now);
        await using var server = await StartAsync(time);
        await BindAsync(server, "web");
        server.Token = (await LoginAsync(server, _samples.Es256(JwtSamples.Claims()))).Json.GetProperty("SecretID").GetString();
        Assert.Equal("true", (await server.SendAsync("POST", "/v1/acl/logout")).Body);
        Assert.Equal((403, "ACL not found"), await StatusAsync(server.SendAsync("POST", "/v1/acl/logout")));
        server.Token = (await LoginAsync(server, _samples.Es256(JwtSamples.Claims()))).Json.GetProperty("SecretID").GetString();
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal((403, "ACL not found"), await StatusAsync(server.GetAsync("/v1/agent/connect/ca/leaf/web")));
        server.Token = TestServer.ManagementToken;
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.SendAsync("POST", "/v1/acl/logout")));
    }

    [Theory]
    [InlineData(null, 24.0)]
    [InlineData(2.0, 2.0)]
    [InlineData(0.0, null)]
    public async Task Login_OfAMethodWithoutALimit_EndsByTheServersOwn(double? setting, double? hours)
    {
        var time = new FakeTimeProvider(JwtSamples.Now);
        await using var server = await TestServer.StartGuardedAsync(
            options => options.AccessControl.LoginTokenLifetime = setting is { } value ? TimeSpan.FromHours(value) : options.AccessControl.LoginTokenLifetime, time);
        await PutMethodAsync(server, "0s");
        await BindAsync(server, "web");
        var token = (await LoginAsync(server, _samples.Es256(JwtSamples.Claims()))).Json;
        Assert.Equal(
            hours is { } life ? time.GetUtcNow() + TimeSpan.FromHours(life) : (DateTimeOffset?)null,
            token.TryGetProperty("ExpirationTime", out var end) ? end.GetDateTimeOffset() : (DateTimeOffset?)null);
        Assert.Equal("0s", (await server.GetAsync("/v1/acl/auth-method/jwt1")).Json.TryGetProperty("MaxTokenTTL", out var own) ? own.GetString() : "0s");
        if (hours is null)
        {
            return;
        }

        server.Token = token.GetProperty("SecretID").GetString();
        time.Advance(TimeSpan.FromHours(hours.Value));
        Assert.Equal((403, "ACL not found"), await StatusAsync(server.GetAsync("/v1/agent/connect/ca/leaf/web")));
    }

    [Fact]
    public async Task Login_ThatIsNotGood_IsRefused()
    {
        await using var server = await StartAsync();
        server.Token = null;
        var good = _samples.Rs256(JwtSamples.Claims());
        Assert.Equal((403, "Permission denied"), await StatusAsync(LoginAsync(server, good)));
        server.Token = TestServer.ManagementToken;
        await BindAsync(server, "${value.user}");
        server.Token = null;
        Assert.Equal(200, (await StatusAsync(LoginAsync(server, good))).Status);
        Assert.Equal((403, "ACL not found"), await StatusAsync(LoginAsync(server, good, "nope")));
        Assert.Equal((400, "missing jwt"), await StatusAsync(LoginAsync(server, string.Empty)));
        Assert.Equal((403, "Permission denied: the token is not of the form of a signed JWT"), await StatusAsync(LoginAsync(server, "x.y")));
        Assert.Equal((403, "Permission denied: invalid issuer claim (iss)"), await StatusAsync(LoginAsync(server, _samples.Rs256(JwtSamples.Claims(("iss", "x"))))));
        foreach (var user in (string[])["Bad Name", "", "*", "a/../b", "web\n"])
        {
            // A claim cannot make a name that no service has, and so no right on several.
            Assert.Equal((403, "Permission denied"), await StatusAsync(LoginAsync(server, _samples.Rs256(JwtSamples.Claims(("sub", user))))));
        }

        Assert.Equal((403, "Permission denied"), await StatusAsync(LoginAsync(server, _samples.Rs256(JwtSamples.Claims(("sub", null))))));
        Assert.Equal((400, "Bad request: Failed to decode request body: json: unknown field \"Foo\""), await StatusAsync(server.PostAsync("/v1/acl/login", """{"Foo":1}""")));
    }

    [Theory]
    [InlineData("value.ns==prod", true)]
    [InlineData("value.ns==test", false)]
    [InlineData("a in list.groups and value.user matches `^w`", true)]
    [InlineData("c in list.groups", false)]
    [InlineData("value.nothing==x", false)]
    public async Task Login_ByASelector_BindsWhomItMeans(string selector, bool bound)
    {
        await using var server = await StartAsync();
        await BindAsync(server, "web", selector);
        Assert.Equal(bound ? 200 : 403, (await StatusAsync(LoginAsync(server, _samples.Rs256(JwtSamples.Claims())))).Status);
    }

    [Fact]
    public async Task AuthMethod_TakenAway_TakesItsRulesAndTokensAlong()
    {
        await using var server = await StartAsync();
        await BindAsync(server, "web");
        var secret = (await LoginAsync(server, _samples.Rs256(JwtSamples.Claims()))).Json.GetProperty("SecretID").GetString();
        Assert.Single((await server.GetAsync("/v1/acl/binding-rules?authmethod=jwt1")).Json.EnumerateArray());
        Assert.Equal("true", (await server.SendAsync("DELETE", "/v1/acl/auth-method/jwt1")).Body);
        Assert.Empty((await server.GetAsync("/v1/acl/binding-rules")).Json.EnumerateArray());
        server.Token = secret;
        Assert.Equal((403, "ACL not found"), await StatusAsync(server.GetAsync("/v1/catalog/nodes")));
    }

    [Theory]
    [InlineData("""{"AuthMethod":"nope","BindType":"service","BindName":"x"}""", "cannot find auth method with name \"nope\"")]
    [InlineData("""{"AuthMethod":"jwt1","BindType":"zz","BindName":"x"}""", "Invalid Binding Rule: unknown BindType \"zz\"")]
    [InlineData("""{"AuthMethod":"jwt1","BindType":"service","BindName":""}""", "Invalid Binding Rule: no BindName is set")]
    [InlineData("""{"AuthMethod":"jwt1","BindType":"service","BindName":"${bad"}""", "Invalid Binding Rule: invalid BindName: parse error: syntax error")]
    [InlineData("""{"AuthMethod":"jwt1","BindType":"service","BindName":"${value.nope}"}""", "Invalid Binding Rule: invalid BindName: 1:3: unknown variable accessed: value.nope")]
    [InlineData("""{"AuthMethod":"jwt1","BindType":"service","BindName":"A"}""", "Invalid Binding Rule: invalid BindName: no service can have this name")]
    [InlineData("""{"AuthMethod":"jwt1","BindType":"service","BindName":"x","Selector":"Foo==1"}""", "invalid Binding Rule: Selector is invalid: Selector \"Foo\" is not valid")]
    public async Task BindingRule_OfSomethingWrong_IsRefused(string body, string text)
    {
        await using var server = await StartAsync();
        Assert.Equal((400, text), await StatusAsync(server.PutAsync("/v1/acl/binding-rule", body)));
    }

    [Fact]
    public async Task MethodsAndRules_OutliveTheServer()
    {
        using var folder = new TemporaryFolder();
        await using (var server = await StartAsync(folder: folder.Path))
        {
            await BindAsync(server, "web");
        }

        await using var again = await TestServer.StartGuardedAsync(options => options.DataDirectory = folder.Path);
        Assert.Equal("1h0m0s", (await again.GetAsync("/v1/acl/auth-method/jwt1")).Json.GetProperty("MaxTokenTTL").GetString());
        Assert.Equal(200, (await StatusAsync(LoginAsync(again, _samples.Rs256(JwtSamples.Claims())))).Status);
    }

    public void Dispose() => _samples.Dispose();

    private async Task<TestServer> StartAsync(FakeTimeProvider? time = null, RecordingLogs? logs = null, string? folder = null)
    {
        var server = await TestServer.StartGuardedAsync(options => options.DataDirectory = folder, time, logs);
        await PutMethodAsync(server, "1h");
        return server;
    }

    private Task PutMethodAsync(TestServer server, string lifetime) => server.MustPutAsync("/v1/acl/auth-method", $$$"""
            {"Name":"jwt1","Type":"jwt","MaxTokenTTL":"{{{lifetime}}}","Config":{"JWKS":{{{_samples.KeySet}}},"BoundIssuer":"https://issuer","BoundAudiences":["mesh"],
            "ClaimMappings":{"sub":"user","/kubernetes/namespace":"ns"},"ListClaimMappings":{"groups":"groups"} } }
            """);

    private static Task BindAsync(TestServer server, string name, string selector = "") => server.MustPutAsync(
        "/v1/acl/binding-rule", $$$"""{"AuthMethod":"jwt1","BindType":"service","BindName":"{{{name}}}","Selector":{{{JsonSerializer.Serialize(selector)}}} }""");

    private static Task<Answer> LoginAsync(TestServer server, string bearer, string method = "jwt1") => server.PostAsync(
        "/v1/acl/login", $$$"""{"AuthMethod":"{{{method}}}","BearerToken":"{{{bearer}}}","Meta":{"pod":"a"}}""");

    private static async Task<(int Status, string Body)> StatusAsync(Task<Answer> answer) => ((int)(await answer).Status, (await answer).Body);
}
