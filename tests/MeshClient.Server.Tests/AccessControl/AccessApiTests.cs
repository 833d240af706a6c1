using System.Net;
using System.Text.Json;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.AccessControl;

/// <summary>Tokens and policies through the API.</summary>
public sealed class AccessApiTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("PUT", "/v1/acl/bootstrap")]
    [InlineData("GET", "/v1/acl/tokens")]
    [InlineData("GET", "/v1/acl/token/self")]
    [InlineData("PUT", "/v1/acl/policy")]
    [InlineData("GET", "/v1/acl/policies")]
    [InlineData("POST", "/v1/acl/login")]
    [InlineData("GET", "/v1/acl/replication")]
    [InlineData("PUT", "/v1/agent/token/default")]
    public async Task Calls_WhileAccessControlIsOff_SayThatItIs(string method, string path)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path);
        Assert.Equal((401, "ACL support disabled"), ((int)answer.Status, answer.Body));
    }

    [Theory]
    [InlineData("PUT", "/v1/acl/token", "{}")]
    [InlineData("GET", "/v1/acl/tokens", null)]
    [InlineData("PUT", "/v1/acl/policy", """{"Name":"p"}""")]
    [InlineData("POST", "/v1/connect/intentions", """{"SourceName":"a","DestinationName":"b","Action":"allow"}""")]
    [InlineData("PUT", "/v1/connect/intentions/exact?source=a&destination=b", """{"Action":"allow"}""")]
    [InlineData("PUT", "/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"PrivateKeyBits":384}}""")]
    [InlineData("GET", "/v1/connect/ca/configuration", null)]
    [InlineData("GET", "/v1/connect/intentions/check?source=a&destination=b", null)]
    public async Task Calls_OfAnotherDatacenter_AreNotDoneHere(string method, string path, string? body)
    {
        await using var server = await TestServer.StartGuardedAsync();
        var before = server.State.Index;
        var answer = await server.SendAsync(method, path + (path.Contains('?', StringComparison.Ordinal) ? "&dc=dc9" : "?dc=dc9"), body);
        Assert.Equal((500, "No path to datacenter"), ((int)answer.Status, answer.Body));
        Assert.Equal(before, server.State.Index);
    }

    [Fact]
    public async Task Bootstrap_IsDoneOnce()
    {
        await using var server = await TestServer.StartAsync(options => options.AccessControl.Enabled = true);
        var first = await server.PutAsync("/v1/acl/bootstrap");
        Assert.Equal(
            ["ID", "AccessorID", "SecretID", "Description", "Policies", "Local", "CreateTime", "Hash", "CreateIndex", "ModifyIndex"],
            first.Json.EnumerateObject().Select(part => part.Name));
        var secret = first.Json.GetProperty("SecretID").GetString();
        Assert.Equal(secret, first.Json.GetProperty("ID").GetString());
        var again = await server.PutAsync("/v1/acl/bootstrap");
        Assert.Equal(
            (403, $"Permission denied: ACL bootstrap no longer allowed (reset index: {first.Json.GetProperty("CreateIndex").GetUInt64()})"),
            ((int)again.Status, again.Body));
        server.Token = secret;
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/acl/tokens")).Status);
    }

    [Fact]
    public async Task Bootstrap_WithTheResetIndexInTheOptions_IsDoneOnceMore()
    {
        using var folder = new TemporaryFolder();
        ulong index;
        await using (var server = await TestServer.StartAsync(options => (options.AccessControl.Enabled, options.DataDirectory) = (true, folder.Path)))
        {
            index = (await server.PutAsync("/v1/acl/bootstrap")).Json.GetProperty("CreateIndex").GetUInt64();
        }

        await using (var server = await TestServer.StartAsync(options =>
        {
            options.AccessControl.Enabled = true;
            options.AccessControl.BootstrapResetIndex = index;
            options.DataDirectory = folder.Path;
        }))
        {
            Assert.Equal(HttpStatusCode.OK, (await server.PutAsync("/v1/acl/bootstrap")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await server.PutAsync("/v1/acl/bootstrap")).Status);
        }
    }

    [Fact]
    public async Task TokensAndPolicies_OutliveTheServer_WithTheirSecretsSealed()
    {
        using var folder = new TemporaryFolder();
        string secret;
        await using (var server = await TestServer.StartGuardedAsync(options => options.DataDirectory = folder.Path))
        {
            await server.MustPutAsync("/v1/acl/policy", """{"Name":"p","Rules":"service \"web\" { policy = \"write\" }"}""");
            var token = await server.PutAsync("/v1/acl/token", """{"Description":"t","Policies":[{"Name":"p"}],"ServiceIdentities":[{"ServiceName":"orders"}]}""");
            secret = token.Json.GetProperty("SecretID").GetString()!;
        }

        foreach (var file in Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Where(file => !file.EndsWith("lock", StringComparison.Ordinal)))
        {
            Assert.DoesNotContain(secret, await File.ReadAllTextAsync(file, TestServer.Cancellation), StringComparison.Ordinal);
        }

        await using (var server = await TestServer.StartGuardedAsync(options => options.DataDirectory = folder.Path))
        {
            server.Token = secret;
            Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/connect/ca/leaf/web")).Status);
            Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/connect/ca/leaf/orders")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await server.GetAsync("/v1/agent/connect/ca/leaf/other")).Status);
        }
    }

    [Theory]
    [InlineData("?token=X", null, null, 200)]
    [InlineData("?token=bad", "X", null, 403)]
    [InlineData("", "X", "bad", 200)]
    [InlineData("", null, "Bearer X", 200)]
    [InlineData("", null, "bearer X", 200)]
    [InlineData("", null, "Basic X", 403)]
    [InlineData("", null, null, 403)]
    public async Task Token_IsReadInConsulsOrder(string query, string? header, string? authorization, int status)
    {
        await using var server = await TestServer.StartGuardedAsync();
        server.Token = null;
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/v1/agent/self" + Secret(query)));
        if (header is not null)
        {
            request.Headers.Add("X-Consul-Token", Secret(header));
        }

        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", Secret(authorization));
        }

        using var response = await server.Http.SendAsync(request, TestServer.Cancellation);
        Assert.Equal(status, (int)response.StatusCode);

        static string Secret(string text) => text.Replace("X", TestServer.ManagementToken, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"Name":""}""", 400, "Invalid Policy: no Name is set")]
    [InlineData("""{"Name":"bad name"}""", 400, "Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed")]
    [InlineData("""{"Name":"x","Rulez":""}""", 400, "Bad request: Policy decoding failed: json: unknown field \"Rulez\"")]
    [InlineData("""{"Name":"x","ID":"10000000-0000-0000-0000-000000000001"}""", 400, "Bad request: Cannot specify the ID when creating a new policy")]
    [InlineData("""{"Name":"global-management"}""", 400, "Invalid Policy: A Policy with Name \"global-management\" already exists")]
    [InlineData("""{"Name":"x","Rules":"service \"x\" { policy = \"sing\" }"}""", 400,
        "Invalid service policy: &acl.ServiceRule{Name:\"x\", Policy:\"sing\", Intentions:\"\", EnterpriseRule:acl.EnterpriseRule{}}")]
    public async Task Policy_OfSomethingWrong_IsRefused(string body, int status, string text)
    {
        await using var server = await TestServer.StartGuardedAsync();
        var answer = await server.PutAsync("/v1/acl/policy", body);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Policy_IsMadeReadChangedAndTakenAway()
    {
        await using var server = await TestServer.StartGuardedAsync();
        var made = (await server.PutAsync("/v1/acl/policy", """{"Name":"p","Rules":"key \"a\" { policy = \"read\" }"}""")).Json;
        var id = made.GetProperty("ID").GetString();
        Assert.Equal("p", (await server.GetAsync($"/v1/acl/policy/{id}")).Json.GetProperty("Name").GetString());
        Assert.Equal(id, (await server.GetAsync("/v1/acl/policy/name/p")).Json.GetProperty("ID").GetString());
        var changed = (await server.PutAsync($"/v1/acl/policy/{id}", """{"Name":"q","Rules":"","Datacenters":["dc9"]}""")).Json;
        Assert.Equal(made.GetProperty("CreateIndex").GetUInt64(), changed.GetProperty("CreateIndex").GetUInt64());
        Assert.NotEqual(made.GetProperty("Hash").GetString(), changed.GetProperty("Hash").GetString());
        Assert.Equal(["global-management", "q"], (await server.GetAsync("/v1/acl/policies")).Json.EnumerateArray().Select(policy => policy.GetProperty("Name").GetString()).Order());
        var token = (await server.PutAsync("/v1/acl/token", """{"Policies":[{"Name":"q"}]}""")).Json.GetProperty("AccessorID").GetString();
        Assert.Equal("true", (await server.SendAsync("DELETE", $"/v1/acl/policy/{id}")).Body);
        Assert.False((await server.GetAsync($"/v1/acl/token/{token}")).Json.TryGetProperty("Policies", out _));
        var gone = await server.GetAsync($"/v1/acl/policy/{id}");
        Assert.Equal((403, "ACL not found"), ((int)gone.Status, gone.Body));
    }

    [Theory]
    [InlineData("PUT", "00000000-0000-0000-0000-000000000001", """{"Name":"global-management","Rules":"acl=\"read\""}""", "Changing the Rules for the builtin global-management policy is not permitted")]
    [InlineData("DELETE", "00000000-0000-0000-0000-000000000001", null, "Delete operation not permitted on the builtin global-management policy")]
    [InlineData("PUT", "10000000-0000-0000-0000-000000000001", """{"Name":"x"}""", "cannot find policy 10000000-0000-0000-0000-000000000001")]
    [InlineData("DELETE", "abc", null, "failed acl policy lookup: index error: UUID must be 36 characters")]
    public async Task Policy_ThatCannotBeChanged_StaysAsItIs(string method, string id, string? body, string text)
    {
        await using var server = await TestServer.StartGuardedAsync();
        var answer = await server.SendAsync(method, $"/v1/acl/policy/{id}", body);
        Assert.Equal(text, answer.Body);
        Assert.InRange((int)answer.Status, 400, 404);
    }

    [Theory]
    [InlineData("""{"Policies":[{"Name":"nope"}]}""", "No such ACL policy with name \"nope\"")]
    [InlineData("""{"Policies":[{"ID":"12345678-0000-0000-0000-000000000000"}]}""", "No such ACL policy with ID \"12345678-0000-0000-0000-000000000000\"")]
    [InlineData("""{"Roles":[{"Name":"r"}]}""", "No such ACL role with name \"r\"")]
    [InlineData("""{"Bogus":1}""", "Bad request: Token decoding failed: json: unknown field \"Bogus\"")]
    [InlineData("""{"SecretID":"short"}""", "Invalid Token: SecretID is not a valid UUID")]
    [InlineData("""{"AccessorID":"00000000-0000-0000-0000-0000000000a1"}""", "Invalid Token: UUIDs with the prefix \"00000000-0000-0000-0000-0000000000\" are reserved")]
    [InlineData("""{"SecretID":"7d6ee4a2-1c7a-4ab1-8f35-2b6a0f9bb0c1"}""", "Invalid Token: SecretID is already in use")]
    [InlineData("""{"ExpirationTTL":"30s"}""", "ExpirationTime cannot be less than 1m0s in the future (was 30s)")]
    [InlineData("""{"ExpirationTTL":"25h"}""", "ExpirationTime cannot be more than 24h0m0s in the future (was 25h0m0s)")]
    [InlineData("""{"ServiceIdentities":[{"ServiceName":""}]}""", "Service identity is missing the service name field on this token")]
    [InlineData("""{"ServiceIdentities":[{"ServiceName":"Bad Name"}]}""", "Service identity \"Bad Name\" has an invalid name. Only alphanumeric characters, '-' and '_' are allowed")]
    [InlineData("""{"AuthMethod":"x"}""", "AuthMethod field is disallowed outside of Login")]
    public async Task Token_OfSomethingWrong_IsRefused(string body, string text)
    {
        await using var server = await TestServer.StartGuardedAsync();
        var before = server.State.Access.Tokens.Count;
        var answer = await server.PutAsync("/v1/acl/token", body);
        Assert.Equal((400, text), ((int)answer.Status, answer.Body));
        Assert.Equal(before, server.State.Access.Tokens.Count);
    }

    [Fact]
    public async Task Token_IsReadChangedClonedAndTakenAway()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.MustPutAsync("/v1/acl/policy", """{"Name":"p","Rules":"key \"a\" { policy = \"read\" }"}""");
        var made = (await server.PutAsync("/v1/acl/token", """{"Description":"d","Policies":[{"Name":"p"}]}""")).Json;
        var accessor = made.GetProperty("AccessorID").GetString();
        var secret = made.GetProperty("SecretID").GetString();
        Assert.Equal(secret, (await server.GetAsync($"/v1/acl/token/{accessor}")).Json.GetProperty("SecretID").GetString());
        var changed = (await server.PutAsync($"/v1/acl/token/{accessor}", """{"Description":"e","Policies":[]}""")).Json;
        Assert.Equal((secret, "e", false), (changed.GetProperty("SecretID").GetString(), changed.GetProperty("Description").GetString(), changed.TryGetProperty("Policies", out _)));
        Assert.Equal("Changing a tokens SecretID is not permitted", (await server.PutAsync($"/v1/acl/token/{accessor}", """{"SecretID":"10000000-0000-0000-0000-0000000000a9"}""")).Body);
        Assert.Equal($"cannot toggle local mode of {accessor}", (await server.PutAsync($"/v1/acl/token/{accessor}", """{"Local":true}""")).Body);
        var clone = (await server.PutAsync($"/v1/acl/token/{accessor}/clone", """{"Description":"c"}""")).Json;
        Assert.NotEqual(secret, clone.GetProperty("SecretID").GetString());
        Assert.Equal("true", (await server.SendAsync("DELETE", $"/v1/acl/token/{accessor}")).Body);
        Assert.Equal("true", (await server.SendAsync("DELETE", $"/v1/acl/token/{accessor}")).Body);
        server.Token = secret;
        var gone = await server.GetAsync("/v1/catalog/nodes");
        Assert.Equal((403, "ACL not found"), ((int)gone.Status, gone.Body));
    }

    [Fact]
    public async Task Secrets_AreToldToWhoMayWriteTokensOnly()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.MustPutAsync("/v1/acl/policy", """{"Name":"reader","Rules":"acl = \"read\""}""");
        var reader = (await server.PutAsync("/v1/acl/token", """{"Policies":[{"Name":"reader"}]}""")).Json.GetProperty("SecretID").GetString();
        var management = server.State.Access.FindTokenBySecret(TestServer.ManagementToken)!.AccessorId;
        server.Token = reader;
        Assert.DoesNotContain(TestServer.ManagementToken, (await server.GetAsync("/v1/acl/tokens")).Body, StringComparison.Ordinal);
        Assert.Equal("<hidden>", (await server.GetAsync($"/v1/acl/token/{management}")).Json.GetProperty("SecretID").GetString());
        Assert.Equal(reader, (await server.GetAsync("/v1/acl/token/self")).Json.GetProperty("SecretID").GetString());
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.PutAsync("/v1/acl/policy", """{"Name":"z"}""")));
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.PutAsync($"/v1/acl/token/{management}/clone", "{}")));
    }

    [Fact]
    public async Task Token_ThatExpires_IsUnknownFromThenOn()
    {
        var time = new FakeTimeProvider(Start);
        await using var server = await TestServer.StartGuardedAsync(time: time);
        var made = (await server.PutAsync("/v1/acl/token", """{"ExpirationTTL":"1h","ServiceIdentities":[{"ServiceName":"web"}]}""")).Json;
        var management = server.Token;
        server.Token = made.GetProperty("SecretID").GetString();
        time.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/acl/token/self")).Status);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((403, "ACL not found"), await StatusAsync(server.GetAsync("/v1/catalog/services")));
        time.Advance(TimeSpan.FromMinutes(1));
        server.Token = management;
        await TestServer.UntilAsync(() => !server.State.Access.Tokens.ContainsKey(made.GetProperty("AccessorID").GetString()!));
    }

    [Fact]
    public async Task Delete_OfTheTokenItIsSentWith_IsRefused()
    {
        await using var server = await TestServer.StartGuardedAsync();
        var accessor = server.State.Access.FindTokenBySecret(TestServer.ManagementToken)!.AccessorId;
        Assert.Equal((400, "Deletion of the request's authorization token is not permitted"), await StatusAsync(server.SendAsync("DELETE", $"/v1/acl/token/{accessor}")));
        Assert.Equal((400, "Delete operation not permitted on the anonymous token"), await StatusAsync(server.SendAsync("DELETE", "/v1/acl/token/00000000-0000-0000-0000-000000000002")));
    }

    [Fact]
    public async Task PolicyChange_HoldsFromTheNextRequestOn()
    {
        await using var server = await TestServer.StartGuardedAsync();
        var id = (await server.PutAsync("/v1/acl/policy", """{"Name":"p","Rules":""}""")).Json.GetProperty("ID").GetString();
        var secret = (await server.PutAsync("/v1/acl/token", """{"Policies":[{"Name":"p"}]}""")).Json.GetProperty("SecretID").GetString();
        const string leaf = "/v1/agent/connect/ca/leaf/web";
        server.Token = secret;
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.GetAsync(leaf)));
        server.Token = TestServer.ManagementToken;
        await server.MustPutAsync($"/v1/acl/policy/{id}", """{"Name":"p","Rules":"service \"web\" { policy = \"write\" }"}""");
        server.Token = secret;
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(leaf)).Status);
    }

    [Fact]
    public async Task Watch_WhoseTokenIsTakenAway_GetsNoMoreKeys()
    {
        await using var server = await TestServer.StartGuardedAsync();
        var made = (await server.PutAsync("/v1/acl/token", """{"ServiceIdentities":[{"ServiceName":"web"}]}""")).Json;
        const string leaf = "/v1/agent/connect/ca/leaf/web";
        server.Token = made.GetProperty("SecretID").GetString();
        var parked = await server.ParkAsync(leaf, (await server.GetAsync(leaf)).Index);
        server.Token = TestServer.ManagementToken;
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("DELETE", $"/v1/acl/token/{made.GetProperty("AccessorID").GetString()}")).Status);
        await server.MustPutAsync("/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"PrivateKeyBits":384}}""");
        Assert.Equal((403, "ACL not found"), await StatusAsync(parked));
    }

    [Fact]
    public async Task Watch_WhosePolicyIsNarrowed_IsRefusedAndALongOneIsNot()
    {
        await using var server = await TestServer.StartGuardedAsync();
        var id = (await server.PutAsync("/v1/acl/policy", """{"Name":"p","Rules":"key_prefix \"\" { policy = \"read\" }"}""")).Json.GetProperty("ID").GetString();
        await server.MustPutAsync("/v1/kv/a", "1");
        await server.MustPutAsync("/v1/kv/b", "1");
        server.Token = (await server.PutAsync("/v1/acl/token", """{"Policies":[{"Name":"p"}]}""")).Json.GetProperty("SecretID").GetString();
        var parkedA = await server.ParkAsync("/v1/kv/a", (await server.GetAsync("/v1/kv/a")).Index);
        var parkedB = await server.ParkAsync("/v1/kv/b", (await server.GetAsync("/v1/kv/b")).Index);
        server.Token = TestServer.ManagementToken;
        await server.MustPutAsync($"/v1/acl/policy/{id}", """{"Name":"p","Rules":"key \"b\" { policy = \"read\" }"}""");
        await server.MustPutAsync("/v1/kv/a", "2");
        await server.MustPutAsync("/v1/kv/b", "2");
        Assert.Equal((403, "Permission denied"), await StatusAsync(parkedA));
        Assert.Equal(HttpStatusCode.OK, (await parkedB).Status);
    }

    [Fact]
    public async Task AnonymousToken_GivesRightsToWhoSendsNone()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/acl/policy", """{"Name":"all","Rules":"service_prefix \"\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }"}""");
        server.Token = null;
        var filtered = await server.GetAsync("/v1/health/service/web");
        Assert.Equal(("[]", "true"), (filtered.Body, filtered.Headers["X-Consul-Results-Filtered-By-ACLs"]));
        server.Token = TestServer.ManagementToken;
        await server.MustPutAsync("/v1/acl/token/00000000-0000-0000-0000-000000000002", """{"Policies":[{"Name":"all"}]}""");
        server.Token = null;
        var shown = await server.GetAsync("/v1/health/service/web");
        Assert.Single(shown.Json.EnumerateArray());
        Assert.False(shown.Headers.ContainsKey("X-Consul-Results-Filtered-By-ACLs"));
    }

    [Fact]
    public async Task AgentDefaultToken_CountsForRequestsWithoutOne()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.MustPutAsync("/v1/agent/token/default", $$"""{"Token":"{{TestServer.ManagementToken}}"}""");
        server.Token = null;
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/self")).Status);

        // It counts for them, and they do not become its bearers.
        Assert.Equal("<hidden>", (await server.GetAsync("/v1/acl/token/self")).Json.GetProperty("SecretID").GetString());
        Assert.Equal((404, "Token \"bogus\" is unknown"), await StatusAsync(server.PutAsync("/v1/agent/token/bogus", """{"Token":"x"}""")));
    }

    [Fact]
    public async Task ServiceIdentity_GivesWhatAServiceNeedsAndNoMore()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.RegisterAsync("api");
        server.Token = (await server.PutAsync("/v1/acl/token", """{"ServiceIdentities":[{"ServiceName":"orders"}]}""")).Json.GetProperty("SecretID").GetString();
        await server.RegisterAsync("orders");
        Assert.Equal((403, "Permission denied: Missing service:write on api"), await StatusAsync(server.PutAsync("/v1/agent/service/register", """{"Name":"api","Port":1}""")));
        Assert.Equal((403, "Permission denied: Missing service:write on api"), await StatusAsync(server.PutAsync("/v1/agent/service/register", """{"Name":"orders","ID":"api","Port":1}""")));
        Assert.Equal((403, "Permission denied: Missing service:write on api"), await StatusAsync(server.PutAsync("/v1/agent/service/register", """{"Name":"orders","Port":1,"Check":{"CheckID":"service:api","TTL":"10s"}}""")));
        Assert.Equal((403, "Permission denied: Missing service:write on api"), await StatusAsync(server.PutAsync("/v1/agent/service/register",
            """{"Name":"orders","Port":1,"Kind":"connect-proxy","Proxy":{"DestinationServiceName":"api"}}""")));
        Assert.Equal((403, "Permission denied: Missing service:write on api"), await StatusAsync(server.PutAsync("/v1/agent/service/deregister/api")));
        Assert.Equal((403, "Permission denied: Missing service:write on api"), await StatusAsync(server.PutAsync("/v1/agent/check/fail/service:api")));
        Assert.Equal(HttpStatusCode.OK, (await server.PutAsync("/v1/agent/check/pass/service:orders")).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/connect/ca/leaf/orders")).Status);
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.GetAsync("/v1/agent/connect/ca/leaf/api")));
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.PostAsync("/v1/agent/connect/ca/sign/api", "x")));
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/connect/intentions/match?by=destination&name=orders")).Status);
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.PostAsync("/v1/connect/intentions", """{"SourceName":"a","DestinationName":"orders","Action":"allow"}""")));
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.PostAsync("/v1/agent/connect/authorize", """{"Target":"api","ClientCertURI":"spiffe://x.consul/ns/default/dc/dc1/svc/a"}""")));
        Assert.Equal((403, "Permission denied"), await StatusAsync(server.GetAsync("/v1/connect/ca/configuration")));
        Assert.Single((await server.GetAsync("/v1/health/service/api")).Json.EnumerateArray());
    }

    [Fact]
    public async Task LeafIssue_IsLoggedWithTheAccessorAndNoSecret()
    {
        using var logs = new RecordingLogs();
        await using var server = await TestServer.StartGuardedAsync(logs: logs);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/connect/ca/leaf/web")).Status);
        var accessor = server.State.Access.FindTokenBySecret(TestServer.ManagementToken)!.AccessorId;
        Assert.Contains(logs.Messages, message => message.StartsWith("Issued certificate ", StringComparison.Ordinal)
            && message.Contains(" for web,", StringComparison.Ordinal) && message.EndsWith($"with token {accessor}.", StringComparison.Ordinal));
        Assert.DoesNotContain(logs.Messages, message => message.Contains("PRIVATE KEY", StringComparison.Ordinal));
        Assert.DoesNotContain(logs.Messages, message => message.Contains(TestServer.ManagementToken, StringComparison.Ordinal));
    }

    private static async Task<(int Status, string Body)> StatusAsync(Task<Answer> answer) => ((int)(await answer).Status, (await answer).Body);
}
