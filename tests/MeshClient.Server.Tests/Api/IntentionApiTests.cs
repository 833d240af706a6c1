using System.Net;
using MeshClient.Core.Intentions;
using MeshClient.Server.Intentions;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>connect/intentions* and agent/connect/authorize, with the texts of the captures.</summary>
public sealed class IntentionApiTests
{
    private const string Collection = "/v1/connect/intentions";
    private const string Unknown = "00000000-0000-0000-0000-000000000000";

    [Fact]
    public async Task Create_Get_Replace_Delete_GoTheirWay()
    {
        await using var server = await TestServer.StartAsync();
        var created = await server.PostAsync(Collection, """{"SourceName":"web","DestinationName":"orders","SourceType":"consul","Action":"allow","Description":"d","Meta":{"k":"v"}}""");
        var id = created.Json.GetProperty("ID").GetString()!;
        var got = (await server.GetAsync($"{Collection}/{id}")).Json;
        Assert.Equal(
            ["ID", "Description", "SourceNS", "SourceName", "DestinationNS", "DestinationName", "SourceType", "Action", "DefaultAddr", "DefaultPort",
             "Meta", "Precedence", "CreatedAt", "UpdatedAt", "Hash", "CreateIndex", "ModifyIndex"],
            got.EnumerateObject().Select(part => part.Name));
        Assert.Equal(("allow", 9, "2026-11-21T03:00:00Z"), (got.GetProperty("Action").GetString(), got.GetProperty("Precedence").GetInt32(), got.GetProperty("CreatedAt").GetString()));
        server.Time.Advance(TimeSpan.FromSeconds(1));
        var replaced = await server.PutAsync($"{Collection}/{id}", """{"SourceName":"web2","DestinationName":"orders","Action":"deny"}""");
        Assert.Equal($$"""{"ID":"{{id}}"}""", replaced.Body);
        var after = (await server.GetAsync($"{Collection}/{id}")).Json;
        Assert.Equal(("web2", "deny", "{}", "2026-11-21T03:00:00Z", "2026-11-21T03:00:01Z"), (
            after.GetProperty("SourceName").GetString(), after.GetProperty("Action").GetString(), after.GetProperty("Meta").GetRawText(),
            after.GetProperty("CreatedAt").GetString(), after.GetProperty("UpdatedAt").GetString()));
        Assert.Equal("true", (await server.SendAsync("DELETE", $"{Collection}/{id}")).Body);
        Assert.Equal("[]", (await server.GetAsync(Collection)).Body);
    }

    [Theory]
    [InlineData("""{"SourceName":"a","DestinationName":"b"}""", "1 error occurred:\n\t* Action must be set to 'allow' or 'deny'\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Action":"maybe"}""", "1 error occurred:\n\t* Action must be set to 'allow' or 'deny'\n\n")]
    [InlineData("""{"SourceName":"a","Action":"allow"}""", "1 error occurred:\n\t* DestinationName must be set\n\n")]
    [InlineData("""{"DestinationName":"a","Action":"allow"}""", "1 error occurred:\n\t* SourceName must be set\n\n")]
    [InlineData("""{"Action":"allow"}""", "2 errors occurred:\n\t* SourceName must be set\n\t* DestinationName must be set\n\n")]
    [InlineData("""{"SourceName":"a*","DestinationName":"b","Action":"allow"}""", "1 error occurred:\n\t* SourceName: wildcard character '*' cannot be used with partial values\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Action":"allow","SourceType":"vm"}""", "1 error occurred:\n\t* SourceType must be set to 'consul'\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Action":"allow","Zed":1}""", "Failed to decode request body: json: unknown field \"Zed\"")]
    [InlineData("{", "Failed to decode request body: unexpected EOF")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Action":"allow","Permissions":[{"Action":"allow"}]}""", "1 error occurred:\n\t* Action must be omitted if Permissions are specified\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"*","Permissions":[{"Action":"allow"}]}""", "1 error occurred:\n\t* Permissions cannot be specified on intentions with a wildcarded DestinationName\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Permissions":[{"HTTP":{"PathExact":"/a","PathPrefix":"/b"}}]}""", "2 errors occurred:\n\t* Permissions.HTTP: should only contain at most one of PathExact, PathPrefix, or PathRegex\n\t* Permissions: Action must be set to 'allow' or 'deny'\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Permissions":[{"Action":"deny","HTTP":{"PathExact":"a"}}]}""", "1 error occurred:\n\t* Permissions.HTTP.PathExact doesn't start with '/': \"a\"\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Permissions":[{"Action":"deny","HTTP":{"PathRegex":"("}}]}""", "1 error occurred:\n\t* Permissions.HTTP.PathRegex is not a linear-time regular expression: \"(\"\n\n")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Permissions":[{"Action":"deny","HTTP":{"Header":[{"Exact":"a","Prefix":"b"}]}}]}""", "2 errors occurred:\n\t* Permissions.HTTP.Header missing required Name field\n\t* Permissions.HTTP.Header should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex (header \"\")\n\n")]
    [InlineData("""{"SourceNS":"ns1","SourceName":"a","DestinationName":"b","Action":"allow"}""", "1 error occurred:\n\t* SourceNS: only 'default' is supported\n\n")]
    [InlineData("""{"SourcePeer":"p","SourceName":"a","DestinationName":"b","Action":"allow"}""", "1 error occurred:\n\t* SourcePeer is not supported\n\n")]
    public async Task Create_OfSomethingWrong_IsRefusedInConsulsWords(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Collection, body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        Assert.Empty(server.State.Intentions.ById);
    }

    [Fact]
    public async Task Create_OfAPairThatIsThere_IsADuplicate()
    {
        await using var server = await TestServer.StartAsync();
        var id = (await server.PostAsync(Collection, """{"SourceName":"web","DestinationName":"orders","Action":"allow"}""")).Json.GetProperty("ID").GetString();
        var other = (await server.PostAsync(Collection, """{"SourceName":"x","DestinationName":"orders","Action":"allow"}""")).Json.GetProperty("ID").GetString();
        var text = $"duplicate intention found: ALLOW default/web => default/orders (ID: {id}, Precedence: 9)";
        Assert.Equal(text, (await server.PostAsync(Collection, """{"SourceName":"web","DestinationName":"orders","Action":"deny"}""")).Body);
        Assert.Equal(text, (await server.PutAsync($"{Collection}/{other}", """{"SourceName":"web","DestinationName":"orders","Action":"deny"}""")).Body);
        Assert.Equal(2, server.State.Intentions.ById.Count);
    }

    [Theory]
    [InlineData("GET", "/" + Unknown, 404, "Intention not found")]
    [InlineData("GET", "/not-a-uuid", 400, "Bad request: failed intention lookup: index error: UUID must be 36 characters")]
    [InlineData("PUT", "/" + Unknown, 404, "Cannot modify non-existent intention: '" + Unknown + "'")]
    [InlineData("DELETE", "/" + Unknown, 404, "Cannot delete non-existent intention: '" + Unknown + "'")]
    [InlineData("DELETE", "/not-a-uuid", 400, "Intention lookup failed: failed intention lookup: index error: UUID must be 36 characters")]
    [InlineData("PUT", "", 405, "method PUT not allowed")]
    [InlineData("GET", "/exact?source=a&destination=b", 404, "Intention not found")]
    [InlineData("GET", "/exact?source=a", 400, "required query parameter 'destination' not set")]
    [InlineData("PUT", "/exact?destination=a", 400, "required query parameter 'source' not set")]
    [InlineData("GET", "/check?source=x", 400, "required query parameter 'destination' not set")]
    [InlineData("GET", "/check?destination=x", 400, "required query parameter 'source' not set")]
    [InlineData("GET", "/check?source=x&destination=y&source-type=vm", 400, "unsupported SourceType: \"vm\"")]
    [InlineData("GET", "/match?by=sideways&name=x", 400, "'by' parameter must be one of 'source' or 'destination'")]
    [InlineData("GET", "/match?name=x", 400, "required query parameter 'by' not set")]
    [InlineData("GET", "/match?by=source", 400, "required query parameter 'name' not set")]
    [InlineData("GET", "?filter=Nope==1", 400, "Failed to create boolean expression evaluator: Selector \"Nope\" is not valid")]
    public async Task IntentionCalls_OfSomethingWrong_AnswerInConsulsWords(string method, string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, Collection + path, method == "PUT" ? """{"SourceName":"q","DestinationName":"r","Action":"deny"}""" : null);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Match_OfNames_IsInOrderOfPrecedence()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (source, destination) in new[] { ("*", "*"), ("web", "*"), ("*", "orders"), ("web", "orders"), ("a", "phantom") })
        {
            await server.MustPutAsync($"{Collection}/exact?source={source}&destination={destination}", """{"Action":"deny"}""");
        }

        Assert.Equal(["web=>orders 9", "*=>orders 8", "web=>* 6", "*=>* 5"], await MatchAsync(server, "by=destination&name=orders", "orders"));
        Assert.Equal(["web=>orders 9", "*=>orders 8", "web=>* 6", "*=>* 5"], await MatchAsync(server, "by=source&name=web", "web"));
        Assert.Equal(["web=>* 6", "*=>* 5"], await MatchAsync(server, "by=destination&name=orders&name=api", "api"));
        Assert.Equal(["web=>orders 9", "*=>orders 8", "web=>* 6", "*=>* 5"], await MatchAsync(server, "by=destination&name=default/orders", "default/orders"));
        Assert.Equal([9, 9, 8, 6, 5], (await server.GetAsync(Collection)).Json.EnumerateArray().Select(entry => entry.GetProperty("Precedence").GetInt32()));
    }

    [Fact]
    public async Task Match_OfNothing_IsNull()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync($"{Collection}/match?by=destination&name=zzz");
        Assert.Equal("""{"zzz":null}""", answer.Body);
        Assert.NotEqual(0UL, answer.Index);
    }

    [Fact]
    public async Task Exact_WithPermissions_GivesBackWhatWasPutAndEvaluatesIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/config", """{"Kind":"jwt-provider","Name":"okta","JSONWebKeySet":{"Local":{"JWKS":"e30="}}}""");
        const string permissions =
            """[{"Action":"deny","HTTP":{"PathPrefix":"/admin"}},{"Action":"allow","HTTP":{"PathRegex":"/v[0-9]+/.*","Header":[{"Name":"x-a","Exact":"1","Invert":true,"IgnoreCase":true},{"Name":"x-b","Present":true}],"Methods":["GET","PUT"]}},{"Action":"allow","HTTP":{"PathExact":"/jwt"},"JWT":{"Providers":[{"Name":"okta"}]}}]""";
        await server.MustPutAsync($"{Collection}/exact?source=web&destination=orders", $$"""{"Permissions":{{permissions.Replace("\"PUT\"", "\"put\"", StringComparison.Ordinal)}}}""");
        var answer = await server.GetAsync($"{Collection}/exact?source=web&destination=orders");
        Assert.Equal(permissions, answer.Json.GetProperty("Permissions").GetRawText());
        Assert.False(answer.Json.TryGetProperty("Action", out _));
        Assert.NotEqual(0UL, answer.Index);

        var evaluator = new CompiledIntentions(server.State.Intentions, IntentionAction.Deny).To("orders");
        Assert.False(Evaluate("GET", "/admin/x", ("x-b", "1")));
        Assert.True(Evaluate("GET", "/v1/x", ("x-b", "1"), ("x-a", "2")));
        Assert.False(Evaluate("GET", "/v1/x", ("x-b", "1")));
        Assert.False(Evaluate("GET", "/v1/x", ("x-b", "1"), ("x-a", "1")));
        Assert.False(Evaluate("POST", "/v1/x", ("x-b", "1"), ("x-a", "2")));
        Assert.False(Evaluate("GET", "/jwt"));

        // Whoever shows no request is denied, whatever the default.
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=web&destination=orders")).Body);

        bool Evaluate(string method, string path, params (string Name, string Value)[] headers) =>
            evaluator.EvaluateRequest("web", method, path, new Headers(headers)).IsAllowed;
    }

    [Fact]
    public async Task Exact_OfNamesInTheBodyThatDiffer_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync($"{Collection}/exact?source=a&destination=b", """{"SourceName":"c","Action":"allow"}""");
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        await server.MustPutAsync($"{Collection}/exact?source=a&destination=b", """{"SourceName":"a","DestinationName":"b","Action":"allow"}""");
        Assert.Equal("true", (await server.SendAsync("DELETE", $"{Collection}/exact?source=a&destination=b")).Body);
        Assert.Equal("true", (await server.SendAsync("DELETE", $"{Collection}/exact?source=a&destination=b")).Body);
    }

    [Theory]
    [InlineData(DefaultIntentionPolicy.Allow, "true")]
    [InlineData(DefaultIntentionPolicy.Deny, "false")]
    public async Task Check_WithoutAnIntention_IsTheDefault(DefaultIntentionPolicy policy, string allowed)
    {
        await using var server = await TestServer.StartAsync(options => options.DefaultIntentionPolicy = policy);
        Assert.Equal($$"""{"Allowed":{{allowed}}}""", (await server.GetAsync($"{Collection}/check?source=x&destination=y")).Body);
        var reason = (await AuthorizeAsync(server, "y", "x")).Json.GetProperty("Reason").GetString();
        Assert.Equal(policy == DefaultIntentionPolicy.Allow ? "ACLs disabled, access is allowed by default" : "Default behavior configured by ACLs", reason);
    }

    [Fact]
    public async Task Authorize_OfACaller_NamesTheIntention()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync($"{Collection}/exact?source=web&destination=orders", """{"Action":"deny"}""");
        await server.MustPutAsync($"{Collection}/exact?source=*&destination=orders", """{"Action":"allow"}""");
        var id = server.State.Intentions.Find("web", "orders")!.Id;
        Assert.Equal(
            $$"""{"Authorized":false,"Reason":"Matched intention: DENY default/web =\u003e default/orders (ID: {{id}}, Precedence: 9)"}""",
            (await AuthorizeAsync(server, "orders", "web")).Body);
        Assert.True((await AuthorizeAsync(server, "orders", "WEB")).Json.GetProperty("Authorized").GetBoolean());
    }

    [Theory]
    [InlineData(false, "ACLs disabled, access is allowed by default")]
    [InlineData(true, "Default behavior configured by ACLs")]
    public async Task Authorize_ByTheDefault_SaysWhoseItIs(bool guarded, string reason)
    {
        void Allow(MeshServerOptions options) => options.DefaultIntentionPolicy = DefaultIntentionPolicy.Allow;
        await using var server = guarded ? await TestServer.StartGuardedAsync(Allow) : await TestServer.StartAsync(Allow);
        var answer = (await AuthorizeAsync(server, "orders", "web")).Json;
        Assert.Equal((true, reason), (answer.GetProperty("Authorized").GetBoolean(), answer.GetProperty("Reason").GetString()));
    }

    [Fact]
    public async Task Authorize_OfAForeignDomainOrNamespace_Refuses()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var uri in new[]
        {
            "spiffe://another-domain.consul/ns/default/dc/dc1/svc/web",
            $"spiffe://{server.State.Authority!.TrustDomain}/ns/prod/dc/dc1/svc/web",
        })
        {
            var answer = await server.PostAsync("/v1/agent/connect/authorize", $$"""{"Target":"orders","ClientCertURI":"{{uri}}"}""");
            Assert.False(answer.Json.GetProperty("Authorized").GetBoolean());
        }
    }

    [Theory]
    [InlineData("""{"ClientCertURI":"spiffe://d/ns/default/dc/dc1/svc/web"}""", "Bad request: Target service must be specified")]
    [InlineData("""{"Target":"orders"}""", "Bad request: ClientCertURI not a valid Connect identifier")]
    [InlineData("""{"Target":"orders","ClientCertURI":"http://web"}""", "Bad request: ClientCertURI not a valid Connect identifier")]
    [InlineData("""{"Target":"orders","ClientCertURI":"spiffe://d"}""", "Bad request: ClientCertURI not a valid Service identifier")]
    [InlineData("""{"Target":"orders","ClientCertURI":"spiffe://d/agent/client/dc/dc1/id/n1"}""", "Bad request: ClientCertURI not a valid Service identifier")]
    [InlineData("{", "Bad request: Request decode failed: unexpected EOF")]
    [InlineData("""{"Target":"orders","Zed":1}""", "Bad request: Request decode failed: json: unknown field \"Zed\"")]
    public async Task Authorize_OfSomethingWrong_IsRefusedInConsulsWords(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync("/v1/agent/connect/authorize", body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task Mode_OfAnIntentionOrItsEntry_LetsTheCallGoOnAndIsShown()
    {
        await using var server = await TestServer.StartAsync(options => options.DefaultIntentionPolicy = DefaultIntentionPolicy.Allow);
        await server.MustPutAsync($"{Collection}/exact?source=web&destination=orders", """{"Action":"deny","Meta":{"meshclient-mode":"shadow"}}""");
        Assert.Equal("""{"Allowed":true}""", (await server.GetAsync($"{Collection}/check?source=web&destination=orders")).Body);
        var answer = (await AuthorizeAsync(server, "orders", "web")).Json;
        Assert.True(answer.GetProperty("Authorized").GetBoolean());
        Assert.StartsWith("In force, this would refuse the call", answer.GetProperty("Reason").GetString(), StringComparison.Ordinal);

        // What an entry says holds for its sources, and is shown with them; what a source says itself holds before that.
        await server.MustPutAsync(
            "/v1/config",
            """
            {"Kind":"service-intentions","Name":"api","Meta":{"meshclient-mode":"shadow","owner":"me"},
             "Sources":[{"Name":"web","Action":"deny"},{"Name":"ops","Action":"deny","LegacyMeta":{"meshclient-mode":"enforce"}}]}
            """);
        Assert.Equal("""{"Allowed":true}""", (await server.GetAsync($"{Collection}/check?source=web&destination=api")).Body);
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=ops&destination=api")).Body);
        var shown = (await server.GetAsync($"{Collection}/match?by=destination&name=api")).Json.GetProperty("api");
        Assert.Equal(
            ["""ops {"meshclient-mode":"enforce","owner":"me"}""", """web {"meshclient-mode":"shadow","owner":"me"}"""],
            shown.EnumerateArray().Select(one => $"{one.GetProperty("SourceName").GetString()} {one.GetProperty("Meta").GetRawText()}"));

        // Taken back, the denial is in force again: also for the cached evaluator.
        await server.MustPutAsync($"{Collection}/exact?source=web&destination=orders", """{"Action":"deny"}""");
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=web&destination=orders")).Body);
    }

    [Theory]
    [InlineData("""{"Action":"deny","Meta":{"meshclient-mode":"shadwo"}}""", "Meta.meshclient-mode must be 'enforce' or 'shadow'")]
    [InlineData("""{"Action":"allow","JWT":{"Providers":[{"Name":"okta"}],"Audience":"x"}}""", "JWT is not of the form")]
    [InlineData("""{"Permissions":[{"Action":"allow","JWT":{"Providers":[{"VerifyClaims":[]}]}}]}""", "JWT is not of the form")]
    public async Task Exact_OfWhatNobodyCouldEnforce_IsRefused(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync($"{Collection}/exact?source=web&destination=orders", body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Contains(text, answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exact_LargerThanIntentionsMayBe_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        const string provider = """{"Name":"okta"}""";
        var (methods, providers) = (Many(65, "\"GET\""), Many(65, provider));
        foreach (var (permissions, text) in new[]
        {
            (Many(257, """{"Action":"allow","HTTP":{"PathExact":"/"}}"""), "Permissions: more than 256"),
            ($$$"""{"Action":"allow","HTTP":{"Methods":[{{{methods}}}]}}""", "more than 64 methods or headers"),
            ($$$"""{"Action":"allow","JWT":{"Providers":[{{{providers}}}]}}""", "more than 64 providers"),
            ($$$"""{"Action":"allow","HTTP":{"PathRegex":"/{{{new string('a', 1024)}}}"}}""", "is not a linear-time regular expression"),
        })
        {
            var answer = await server.PutAsync($"{Collection}/exact?source=web&destination=orders", $$"""{"Permissions":[{{permissions}}]}""");
            Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
            Assert.Contains(text, answer.Body, StringComparison.Ordinal);
        }

        static string Many(int count, string item) => string.Join(',', Enumerable.Repeat(item, count));
    }

    [Fact]
    public async Task Jwt_OfAnIntention_ReachesTheEvaluator()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/config", """{"Kind":"jwt-provider","Name":"okta","JSONWebKeySet":{"Local":{"JWKS":"e30="}}}""");
        await server.MustPutAsync(
            $"{Collection}/exact?source=web&destination=orders",
            """{"Action":"allow","JWT":{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":["perms","role"],"Value":"admin"}]}]}}""");

        var rule = server.State.Intentions.Find("web", "orders")!.ToRule();
        Assert.Equal(
            new JwtRequirement([new JwtProviderRequirement("okta", [new JwtClaimRequirement(["perms", "role"], "admin")])]), rule.Jwt);
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=web&destination=orders")).Body);
    }

    private static Task<Answer> AuthorizeAsync(TestServer server, string target, string source) => server.PostAsync(
        "/v1/agent/connect/authorize",
        $$"""{"Target":"{{target}}","ClientCertURI":"spiffe://{{server.State.Authority!.TrustDomain}}/ns/default/dc/dc1/svc/{{source}}","ClientCertSerial":"0b"}""");

    private static async Task<IEnumerable<string>> MatchAsync(TestServer server, string query, string name) =>
        (await server.GetAsync($"{Collection}/match?{query}")).Json.GetProperty(name).EnumerateArray().Select(entry =>
            $"{entry.GetProperty("SourceName").GetString()}=>{entry.GetProperty("DestinationName").GetString()} {entry.GetProperty("Precedence").GetInt32()}");

    private readonly struct Headers((string Name, string Value)[] values) : IHeaderLookup
    {
        public string? Find(string name) => values.FirstOrDefault(pair => string.Equals(pair.Name, name, StringComparison.OrdinalIgnoreCase)).Value;

        public string? FindLine(string name, int index) => index == 0 ? Find(name) : null;
    }
}
