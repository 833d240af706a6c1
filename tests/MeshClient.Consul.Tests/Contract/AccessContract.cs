using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>
/// Tokens, policies, logins, and what each call demands, with tokens demanded and everything denied that no rule allows: each
/// case against MeshClient.Server and a real Consul, the differences being those of <see cref="KnownDifferences"/>.
/// </summary>
public abstract class AccessContract : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];
    private HttpClient? _http;

    protected abstract bool IsConsul { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract ValueTask<Uri> GetAddressAsync();

    public async ValueTask InitializeAsync() => _http = new HttpClient { BaseAddress = await GetAddressAsync(), Timeout = Limit };

    public ValueTask DisposeAsync()
    {
        _http?.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>What somebody without rights is told, call by call.</summary>
    [Theory]
    [InlineData("GET", "/v1/catalog/nodes", null, 200, "[]")]
    [InlineData("GET", "/v1/catalog/services", null, 200, "{}")]
    [InlineData("GET", "/v1/catalog/service/web", null, 200, "[]")]
    [InlineData("GET", "/v1/catalog/node/contract-node", null, 200, "null")]
    [InlineData("GET", "/v1/catalog/datacenters", null, 200, "[\"dc1\"]")]
    [InlineData("GET", "/v1/health/service/web", null, 200, "[]")]
    [InlineData("GET", "/v1/health/state/any", null, 200, "[]")]
    [InlineData("GET", "/v1/health/node/contract-node", null, 200, "[]")]
    [InlineData("GET", "/v1/agent/self", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/agent/services", null, 200, "{}")]
    [InlineData("GET", "/v1/agent/checks", null, 200, "{}")]
    [InlineData("GET", "/v1/agent/members", null, 200, "[]")]
    [InlineData("GET", "/v1/agent/metrics", null, 403, "Permission denied")]
    [InlineData("PUT", "/v1/agent/maintenance?enable=true", null, 403, "Permission denied")]
    [InlineData("PUT", "/v1/agent/service/register", """{"Name":"web"}""", 403, "Permission denied: Missing service:write on web")]
    [InlineData("PUT", "/v1/agent/check/register", """{"Name":"x","TTL":"10s"}""", 403, "Permission denied: Missing node:write on contract-node")]
    [InlineData("PUT", "/v1/catalog/register", """{"Node":"a","Address":"127.0.0.2"}""", 403, "Permission denied")]
    [InlineData("GET", "/v1/agent/connect/ca/leaf/web", null, 403, "Permission denied")]
    [InlineData("POST", "/v1/agent/connect/authorize", """{"Target":"web","ClientCertURI":"spiffe://x.consul/ns/default/dc/dc1/svc/a"}""", 403, "Permission denied")]
    [InlineData("GET", "/v1/connect/intentions", null, 200, "[]")]
    [InlineData("POST", "/v1/connect/intentions", """{"SourceName":"a","DestinationName":"b","Action":"allow"}""", 403, "Permission denied")]
    [InlineData("GET", "/v1/connect/intentions/check?source=a&destination=b", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/connect/intentions/match?by=destination&name=b", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/discovery-chain/web", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/config/service-defaults", null, 200, "[]")]
    [InlineData("GET", "/v1/connect/ca/configuration", null, 403, "Permission denied")]
    [InlineData("PUT", "/v1/connect/ca/configuration", """{"Provider":"consul","Config":{}}""", 403, "Permission denied")]
    [InlineData("GET", "/v1/kv/x", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/kv/x?recurse", null, 404, "")]
    [InlineData("GET", "/v1/kv/x?keys", null, 404, "")]
    [InlineData("PUT", "/v1/kv/x", "1", 403, "Permission denied")]
    [InlineData("DELETE", "/v1/kv/x?recurse", null, 403, "Permission denied")]
    [InlineData("PUT", "/v1/session/create", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/session/list", null, 200, "[]")]
    [InlineData("PUT", "/v1/event/fire/x", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/snapshot", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/coordinate/nodes", null, 200, "[]")]
    [InlineData("GET", "/v1/operator/raft/configuration", null, 403, "Permission denied")]
    [InlineData("GET", "/v1/acl/tokens", null, 403, "Permission denied")]
    [InlineData("PUT", "/v1/acl/policy", "{}", 403, "Permission denied")]
    [InlineData("GET", "/v1/acl/token/self", null, 403, "ACL not found")]
    [InlineData("POST", "/v1/acl/login", """{"AuthMethod":"x","BearerToken":"y"}""", 403, "ACL not found")]
    [InlineData("POST", "/v1/acl/logout", null, 403, "ACL not found")]
    public async Task Call_WithoutAToken_IsAnsweredAlike(string method, string path, string? body, int status, string text) =>
        await ExpectAsync($"without a token: {method} {path}", method, path, body, status, text, token: null);

    [Theory]
    [InlineData("GET", "/v1/catalog/nodes", 403, "ACL not found")]
    [InlineData("GET", "/v1/agent/self", 403, "ACL not found")]
    [InlineData("PUT", "/v1/kv/x", 403, "ACL not found")]
    [InlineData("GET", "/v1/catalog/datacenters", 200, "[\"dc1\"]")]
    public async Task Call_WithAnUnknownToken_IsAnsweredAlike(string method, string path, int status, string text) =>
        await ExpectAsync($"unknown token: {method} {path}", method, path, null, status, text, "10000000-0000-0000-0000-00000000dead");

    [Fact]
    public async Task Policies_AreWrittenAlike()
    {
        await ExpectAsync("policy without a name", "PUT", "/v1/acl/policy", """{"Name":""}""", 200, null);
        await ExpectAsync("policy with a bad name", "PUT", "/v1/acl/policy", """{"Name":"bad name"}""", 200, null);
        await ExpectAsync("policy with an unknown key", "PUT", "/v1/acl/policy", """{"Rulez":""}""", 400, "Bad request: Policy decoding failed: json: unknown field \"Rulez\"");
        await ExpectAsync("policy with an id", "PUT", "/v1/acl/policy", """{"ID":"10000000-0000-0000-0000-0000000000f1","Name":"z"}""", 400, "Bad request: Cannot specify the ID when creating a new policy");
        await ExpectAsync("policy with a bad level", "PUT", "/v1/acl/policy", """{"Name":"b","Rules":"service \"x\" { policy = \"sing\" }"}""", 200, null);
        await ExpectAsync("policy of an unknown kind", "PUT", "/v1/acl/policy", """{"Name":"u-{s}","Rules":"servce \"x\" { policy = \"deny\" }"}""", 200, null);
        await ExpectAsync("policy that is not there", "PUT", "/v1/acl/policy/10000000-0000-0000-0000-0000000000f1", """{"Name":"zz"}""", 200, null);
        await ExpectAsync("policy by a short id", "GET", "/v1/acl/policy/abc", null, 200, null);
        await ExpectAsync("unknown policy", "GET", "/v1/acl/policy/10000000-0000-0000-0000-0000000000f1", null, 403, "ACL not found");
        await ExpectAsync("built-in policy", "DELETE", "/v1/acl/policy/00000000-0000-0000-0000-000000000001", null, 200, null);
        var made = await JsonAsync("PUT", "/v1/acl/policy", """{"Name":"p-{s}","Rules":"key \"a\" { policy = \"read\" }"}""");
        Assert.Equal(["ID", "Name", "Description", "Rules", "Hash", "CreateIndex", "ModifyIndex"], Keys(made));
        await ExpectAsync("policy of a name in use", "PUT", "/v1/acl/policy", """{"Name":"p-{s}"}""", 200, null);
        Assert.Equal(["ID", "Name", "Description", "Datacenters", "Hash", "CreateIndex", "ModifyIndex"], Keys((await JsonAsync("GET", "/v1/acl/policies"))[0]!));
        Assert.Equal(Keys(made), Keys(await JsonAsync("GET", "/v1/acl/policy/name/p-{s}")));
        await ExpectAsync("delete a policy", "DELETE", $"/v1/acl/policy/{made["ID"]}", null, 200, "true");
    }

    [Fact]
    public async Task Tokens_AreWrittenAlike()
    {
        await ExpectAsync("token with an unknown policy", "PUT", "/v1/acl/token", """{"Policies":[{"Name":"nope"}]}""", 200, null);
        await ExpectAsync("token with an unknown key", "PUT", "/v1/acl/token", """{"Bogus":1}""", 400, "Bad request: Token decoding failed: json: unknown field \"Bogus\"");
        await ExpectAsync("token with a reserved id", "PUT", "/v1/acl/token", """{"AccessorID":"00000000-0000-0000-0000-0000000000a1"}""", 200, null);
        await ExpectAsync("token with a short secret", "PUT", "/v1/acl/token", """{"SecretID":"short"}""", 200, null);
        await ExpectAsync("token of a bad service", "PUT", "/v1/acl/token", """{"ServiceIdentities":[{"ServiceName":"Bad Name"}]}""", 200, null);
        await ExpectAsync("token of too short a life", "PUT", "/v1/acl/token", """{"ExpirationTTL":"30s"}""", 200, null);
        await ExpectAsync("token that is not there", "PUT", "/v1/acl/token/10000000-0000-0000-0000-0000000000ff", """{"Description":"x"}""", 200, null);
        await ExpectAsync("clone of one that is not there", "PUT", "/v1/acl/token/10000000-0000-0000-0000-0000000000ff/clone", "{}", 403, "ACL not found");
        await ExpectAsync("anonymous token", "DELETE", "/v1/acl/token/00000000-0000-0000-0000-000000000002", null, 200, null);
        var made = await JsonAsync("PUT", "/v1/acl/token", """{"Description":"d","ServiceIdentities":[{"ServiceName":"web-{s}","Datacenters":["dc1"]}],"NodeIdentities":[{"NodeName":"n1","Datacenter":"dc1"}],"ExpirationTTL":"1h"}""");
        Assert.Equal(
            ["AccessorID", "SecretID", "Description", "ServiceIdentities", "NodeIdentities", "Local", "ExpirationTime", "CreateTime", "Hash", "CreateIndex", "ModifyIndex"], Keys(made));
        Assert.Equal(Keys(made).Where(key => key != "SecretID"), Keys((await JsonAsync("GET", "/v1/acl/tokens")).AsArray().Single(token => token!["AccessorID"]!.ToString() == made["AccessorID"]!.ToString())!));
        await ExpectAsync("another secret", "PUT", $"/v1/acl/token/{made["AccessorID"]}", """{"SecretID":"10000000-0000-0000-0000-0000000000a9"}""", 200, null);
        await ExpectAsync("another accessor", "PUT", $"/v1/acl/token/{made["AccessorID"]}", """{"AccessorID":"10000000-0000-0000-0000-0000000000a9"}""", 400, "Bad request: Token Accessor ID in URL and payload do not match");
        var self = await JsonAsync("GET", "/v1/acl/token/self", token: made["SecretID"]!.ToString());
        Assert.Equal(made["AccessorID"]!.ToString(), self["AccessorID"]!.ToString());
        var clone = await JsonAsync("PUT", $"/v1/acl/token/{made["AccessorID"]}/clone", """{"Description":"c"}""");
        Assert.Equal("c", clone["Description"]!.ToString());
        Assert.NotEqual(made["SecretID"]!.ToString(), clone["SecretID"]!.ToString());
        await ExpectAsync("delete a token", "DELETE", $"/v1/acl/token/{made["AccessorID"]}", null, 200, "true");
        await ExpectAsync("delete it again", "DELETE", $"/v1/acl/token/{made["AccessorID"]}", null, 200, "true");
        var own = (await JsonAsync("GET", "/v1/acl/token/self"))["AccessorID"]!.ToString();
        await ExpectAsync("delete oneself", "DELETE", $"/v1/acl/token/{own}", null, 200, null);
    }

    [Fact]
    public async Task ServiceIdentity_GivesTheSameRights()
    {
        var secret = (await JsonAsync("PUT", "/v1/acl/token", """{"ServiceIdentities":[{"ServiceName":"orders-{s}"}]}"""))["SecretID"]!.ToString();
        await ExpectAsync("own registration", "PUT", "/v1/agent/service/register", """{"Name":"orders-{s}","Port":1}""", 200, "", secret);
        await ExpectAsync("registration of another", "PUT", "/v1/agent/service/register", """{"Name":"api-{s}","Port":1}""", 403, "Permission denied: Missing service:write on api-{s}", secret);
        await ExpectAsync("own leaf", "GET", "/v1/agent/connect/ca/leaf/orders-{s}", null, 200, null, secret);
        await ExpectAsync("leaf of another", "GET", "/v1/agent/connect/ca/leaf/api-{s}", null, 403, "Permission denied", secret);
        await ExpectAsync("intentions of one's own", "GET", "/v1/connect/intentions/match?by=destination&name=orders-{s}", null, 200, "{\"orders-{s}\":null}", secret);
        await ExpectAsync("intention to oneself", "POST", "/v1/connect/intentions", """{"SourceName":"a","DestinationName":"orders-{s}","Action":"allow"}""", 403, "Permission denied", secret);
        await ExpectAsync("authorize at another", "POST", "/v1/agent/connect/authorize", """{"Target":"api-{s}","ClientCertURI":"spiffe://x.consul/ns/default/dc/dc1/svc/a"}""", 403, "Permission denied", secret);
        await ExpectAsync("the authority", "GET", "/v1/connect/ca/configuration", null, 403, "Permission denied", secret);
        await ExpectAsync("keys", "GET", "/v1/kv/x", null, 403, "Permission denied", secret);
        await ExpectAsync("own deregistration", "PUT", "/v1/agent/service/deregister/orders-{s}", null, 200, "", secret);
    }

    [Fact]
    public async Task Login_ByASignedToken_GivesTheSameToken()
    {
        using var rsa = RSA.Create(2048);
        await DoAsync("PUT", "/v1/acl/auth-method", $$$"""
            {"Name":"m-{s}","Type":"jwt","MaxTokenTTL":"1h","Config":{"JWTValidationPubKeys":[{{{JsonSerializer.Serialize(rsa.ExportSubjectPublicKeyInfoPem())}}}],
            "BoundIssuer":"iss","BoundAudiences":["aud"],"JWTSupportedAlgs":["RS256"],"ClaimMappings":{"sub":"sub","/k/ns":"ns"} } }
            """);
        await DoAsync("PUT", "/v1/acl/binding-rule", """{"AuthMethod":"m-{s}","BindType":"service","BindName":"svc-${value.sub}","Selector":"value.ns==prod"}""");
        await ExpectAsync("binding rule of no method", "PUT", "/v1/acl/binding-rule", """{"AuthMethod":"nope","BindType":"service","BindName":"x"}""", 200, null);
        await ExpectAsync("binding rule of no kind", "PUT", "/v1/acl/binding-rule", """{"AuthMethod":"m-{s}","BindType":"zz","BindName":"x"}""", 200, null);
        await ExpectAsync("binding rule of no variable", "PUT", "/v1/acl/binding-rule", """{"AuthMethod":"m-{s}","BindType":"service","BindName":"${value.nope}"}""", 200, null);
        await ExpectAsync("unknown auth method", "GET", "/v1/acl/auth-method/nope", null, 404, "");
        var now = TimeProvider.System.GetUtcNow();
        string Bearer(string issuer, string ns) => Sign(rsa, $$$"""{"iss":"{{{issuer}}}","aud":"aud","sub":"web","iat":{{{now.ToUnixTimeSeconds()}}},"exp":{{{now.AddMinutes(5).ToUnixTimeSeconds()}}},"k":{"ns":"{{{ns}}}"} }""");
        string Login(string bearer) => $$$"""{"AuthMethod":"m-{s}","BearerToken":"{{{bearer}}}","Meta":{"a":"b"} }""";
        var token = await JsonAsync("POST", "/v1/acl/login", Login(Bearer("iss", "prod")), token: null);
        Assert.Equal(
            ["AccessorID", "SecretID", "Description", "ServiceIdentities", "Local", "AuthMethod", "ExpirationTime", "CreateTime", "Hash", "CreateIndex", "ModifyIndex"], Keys(token));
        Assert.Equal(("svc-web", "token created via login: {\"a\":\"b\"}"), (token["ServiceIdentities"]![0]!["ServiceName"]!.ToString(), token["Description"]!.ToString()));
        await ExpectAsync("login that nothing is bound to", "POST", "/v1/acl/login", Login(Bearer("iss", "test")), 403, "Permission denied", token: null);
        await ExpectAsync("login by another issuer", "POST", "/v1/acl/login", Login(Bearer("other", "prod")), 200, null, token: null);
        await ExpectAsync("login without a token", "POST", "/v1/acl/login", """{"AuthMethod":"m-{s}"}""", 200, null, token: null);
        var secret = token["SecretID"]!.ToString();
        await ExpectAsync("leaf by login", "GET", "/v1/agent/connect/ca/leaf/svc-web", null, 200, null, secret);
        await ExpectAsync("logout", "POST", "/v1/acl/logout", null, 200, "true", secret);
        await ExpectAsync("logout again", "POST", "/v1/acl/logout", null, 403, "ACL not found", secret);
        await ExpectAsync("logout of a written token", "POST", "/v1/acl/logout", null, 403, "Permission denied");
        await ExpectAsync("delete an auth method", "DELETE", "/v1/acl/auth-method/m-{s}", null, 200, "true");
    }

    [Fact]
    public async Task Authority_IsConfiguredAlike()
    {
        await ExpectAsync("leaf life too short", "PUT", "/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"LeafCertTTL":"5m"}}""", 200, null);
        await ExpectAsync("leaf life too long", "PUT", "/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"LeafCertTTL":"9000h"}}""", 200, null);
        await ExpectAsync("unknown provider", "PUT", "/v1/connect/ca/configuration", """{"Provider":"nope","Config":{}}""", 200, null);
        await ExpectAsync("broken configuration", "PUT", "/v1/connect/ca/configuration", "{", 400, "Bad request: Request decode failed: unexpected EOF");
        await ExpectAsync("configuration by the wrong method", "POST", "/v1/connect/ca/configuration", null, 405, "method POST not allowed");
        await DoAsync("PUT", "/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"LeafCertTTL":"24h","RotationPeriod":"2160h","CSRMaxPerSecond":100}}""");
        var configuration = await JsonAsync("GET", "/v1/connect/ca/configuration");
        Assert.Equal("24h", configuration["Config"]!["LeafCertTTL"]!.ToString());
        Assert.Equal(100, configuration["Config"]!["CSRMaxPerSecond"]!.GetValue<int>());
        var before = (await JsonAsync("GET", "/v1/connect/ca/roots"))["Roots"]!.AsArray().Count;
        await DoAsync("PUT", "/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"LeafCertTTL":"24h","PrivateKeyType":"ec","PrivateKeyBits":384}}""");
        var roots = (await JsonAsync("GET", "/v1/connect/ca/roots"))["Roots"]!.AsArray();
        Assert.Equal(KnownDifferences.Find("rotation by key bits") is { } && !IsConsul ? before + 1 : before, roots.Count);
    }

    private static IEnumerable<string> Keys(JsonNode node) => node.AsObject().Select(part => part.Key);

    private static string Sign(RSA key, string claims)
    {
        var signed = $"{Encode("{\"alg\":\"RS256\"}"u8)}.{Encode(Encoding.UTF8.GetBytes(claims))}";
        return $"{signed}.{Encode(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    private static string Encode(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);

    private string Fill(string text) => text.Replace("{s}", _suffix, StringComparison.Ordinal);

    private async Task<(int Status, string Body)> SendAsync(string method, string path, string? body, string? token)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Fill(path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(Fill(body)));
        }

        if (token is not null)
        {
            request.Headers.Add("X-Consul-Token", token);
        }

        using var response = await _http!.SendAsync(request, Cancellation);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    /// <summary>Runs a case whose answer is a sentence, empty, or short JSON.</summary>
    private async Task ExpectAsync(string name, string method, string path, string? body, int status, string? text, string? token = GuardedConsul.Token)
    {
        if (KnownDifferences.Find(name) is { } difference)
        {
            (status, text) = IsConsul ? (difference.ConsulStatus, difference.ConsulText) : (difference.OurStatus, difference.OurText);
        }

        var answer = await SendAsync(method, path, body, token);
        Assert.True(status == answer.Status, $"{name}: {answer.Status} {answer.Body}");
        if (text is not null)
        {
            // Consul in development mode indents JSON.
            var found = answer.Body is ['{' or '[', ..] ? JsonNode.Parse(answer.Body)!.ToJsonString() : answer.Body.TrimEnd('\n');
            Assert.Equal(Fill(text), found);
        }
    }

    private Task DoAsync(string method, string path, string? body = null) => ExpectAsync($"{method} {path}", method, path, body, 200, null);

    private async Task<JsonNode> JsonAsync(string method, string path, string? body = null, string? token = GuardedConsul.Token)
    {
        var answer = await SendAsync(method, path, body, token);
        Assert.True(answer.Status == 200, $"{method} {path}: {answer.Status} {answer.Body}");
        return JsonNode.Parse(answer.Body)!;
    }
}
