using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>config/*, with the texts of the captures. What Consul answers by 500 is 400 here.</summary>
public sealed class ConfigApiTests
{
    private const string Decoding = "Bad request: Request decoding failed: ";

    [Theory]
    [InlineData("""{"Kind":"service-defaults","Name":"api","Protocol":"http"}""", """{"Kind":"service-defaults","Name":"api","Protocol":"http","MeshGateway":{},"Expose":{},""")]
    [InlineData("""{"kind":"service-defaults","name":"api","protocol":"http","mesh_gateway":{"mode":"local"},"external_sni":"x.example","expose":{"checks":true,"paths":[{"path":"/health","local_path_port":9001,"ListenerPort":21500,"Protocol":"http"}]}}""", """{"Kind":"service-defaults","Name":"api","Protocol":"http","MeshGateway":{"Mode":"local"},"Expose":{"Checks":true,"Paths":[{"ListenerPort":21500,"Path":"/health","LocalPathPort":9001,"Protocol":"http","ParsedFromCheck":false}]},"ExternalSNI":"x.example",""")]
    [InlineData("""{"Kind":"service-defaults","Name":"api","MaxInboundConnections":7,"LocalRequestTimeoutMs":"500","UpstreamConfig":{"Defaults":{"Limits":{"MaxConnections":0},"PassiveHealthCheck":{"Interval":10000000000,"MaxFailures":3}}},"RateLimits":{"InstanceLevel":{"RequestsPerSecond":5,"Routes":[{"PathPrefix":"/a","RequestsPerSecond":1}]}},"Meta":{"b":"2","a":1},"CreateIndex":5,"ModifyIndex":7}""", """{"Kind":"service-defaults","Name":"api","MeshGateway":{},"Expose":{},"UpstreamConfig":{"Defaults":{"Limits":{"MaxConnections":0},"PassiveHealthCheck":{"Interval":"10s","MaxFailures":3}}},"MaxInboundConnections":7,"LocalRequestTimeoutMs":500,"RateLimits":{"InstanceLevel":{"RequestsPerSecond":5,"Routes":[{"PathPrefix":"/a","RequestsPerSecond":1}]}},"Meta":{"a":"1","b":"2"},""")]
    [InlineData("""{"Kind":"service-resolver","Name":"api","DefaultSubset":"v1","ConnectTimeout":"15000ms","RequestTimeout":60000000000,"Subsets":{"v2":{"Filter":"Service.Meta.version == v2","OnlyPassing":true},"v1":{"Filter":"Service.Meta.version == v1"}},"Failover":{"v2":{"Service":"web"},"*":{"Datacenters":["dc2","dc3"]}},"LoadBalancer":{"Policy":"ring_hash","RingHashConfig":{"MinimumRingSize":64},"HashPolicies":[{"Field":"cookie","FieldValue":"s","CookieConfig":{"TTL":"1h"},"Terminal":true}]},"PrioritizeByLocality":{"Mode":"failover"}}""", """{"ConnectTimeout":"15s","RequestTimeout":"1m0s","Kind":"service-resolver","Name":"api","DefaultSubset":"v1","Subsets":{"v1":{"Filter":"Service.Meta.version == v1"},"v2":{"Filter":"Service.Meta.version == v2","OnlyPassing":true}},"Failover":{"*":{"Datacenters":["dc2","dc3"]},"v2":{"Service":"web"}},"PrioritizeByLocality":{"Mode":"failover"},"LoadBalancer":{"Policy":"ring_hash","RingHashConfig":{"MinimumRingSize":64},"HashPolicies":[{"Field":"cookie","FieldValue":"s","CookieConfig":{"TTL":"1h0m0s"},"Terminal":true}]},""")]
    [InlineData("""{"Kind":"service-resolver","Name":"api","Failover":{"*":{"Targets":[{"Service":"web"},{"Datacenter":"dc2"}],"Policy":{"Mode":"order-by-locality","Regions":["eu"]}}}}""", """{"Kind":"service-resolver","Name":"api","Failover":{"*":{"Targets":[{"Service":"web"},{"Datacenter":"dc2"}],"Policy":{"Mode":"order-by-locality","Regions":["eu"]}}},""")]
    [InlineData("""{"Kind":"proxy-defaults","Name":"notglobal"}""", """{"Kind":"proxy-defaults","Name":"global","Config":null,"MeshGateway":{},"Expose":{},""")]
    [InlineData("""{"Kind":"proxy-defaults","Config":{"protocol":"tcp","local_connect_timeout_ms":1000,"a":[1,2.5,{"z":null,"b":"x"}]},"MeshGateway":{"Mode":"none"}}""", """{"Kind":"proxy-defaults","Name":"global","Config":{"a":[1,2.5,{"b":"x","z":null}],"local_connect_timeout_ms":1000,"protocol":"tcp"},"MeshGateway":{"Mode":"none"},"Expose":{},""")]
    [InlineData("""{"Kind":"jwt-provider","Name":"okta","Issuer":"me","JSONWebKeySet":{"Local":{"JWKS":"e30="}},"Locations":[{"Header":{"Name":"Authorization","ValuePrefix":"Bearer "}}],"ClockSkewSeconds":5}""", """{"Kind":"jwt-provider","Name":"okta","JSONWebKeySet":{"Local":{"JWKS":"e30="}},"Locations":[{"Header":{"Name":"Authorization","ValuePrefix":"Bearer "}}],"Issuer":"me","ClockSkewSeconds":5,""")]
    [InlineData("""{"Kind":"mesh","TransparentProxy":{"MeshDestinationsOnly":true},"Peering":null}""", """{"Kind":"mesh","Name":"mesh","TransparentProxy":{"MeshDestinationsOnly":true},"Peering":null,""")]
    [InlineData("""{"Kind":"ingress-gateway","Listeners":[{"Port":8080,"Services":[{"Name":"api"}]}],"Name":"ig"}""", """{"Kind":"ingress-gateway","Name":"ig","Listeners":[{"Port":8080,"Services":[{"Name":"api"}]}],""")]
    public async Task Put_OfAnEntry_GivesItBackInConsulsForm(string body, string form)
    {
        await using var server = await TestServer.StartAsync();
        var written = await server.PutAsync("/v1/config", body);
        Assert.Equal((HttpStatusCode.OK, "true"), (written.Status, written.Body));
        var all = await server.GetAsync("/v1/config/");
        var entry = Assert.Single(all.Json.EnumerateArray());
        var (kind, name) = (entry.GetProperty("Kind").GetString(), entry.GetProperty("Name").GetString());
        var one = await server.GetAsync($"/v1/config/{kind}/{name}");
        Assert.Equal($"{form}\"CreateIndex\":{one.Index},\"ModifyIndex\":{one.Index}}}", one.Body);
        Assert.Equal($"[{one.Body}]", (await server.GetAsync($"/v1/config/{kind}")).Body);
    }

    [Fact]
    public async Task Put_OfARouterAndASplitter_GivesThemBackInConsulsForm()
    {
        await using var server = await StartAsync("api", "web");
        await PutAsync(server, """{"Kind":"service-resolver","Name":"api","Subsets":{"v1":{},"v2":{}}}""");
        await PutAsync(server, """{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":99.999,"ServiceSubset":"v1"},{"Weight":"0.001","ServiceSubset":"v2","RequestHeaders":{"Set":{"x":"1"},"Remove":["y"]}}]}""");
        Assert.StartsWith(
            """{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":100,"ServiceSubset":"v1"},{"Weight":0,"ServiceSubset":"v2","RequestHeaders":{"Set":{"x":"1"},"Remove":["y"]}}],"CreateIndex":""",
            (await server.GetAsync("/v1/config/service-splitter/api")).Body, StringComparison.Ordinal);
        await PutAsync(server, """{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/admin","Methods":["get","put"]}},"Destination":{"Service":"web","PrefixRewrite":"/","RequestTimeout":"15s","IdleTimeout":"1m","NumRetries":5,"RetryOnConnectFailure":true,"RetryOnStatusCodes":[503,504],"RetryOn":["5xx","reset"]}},{"Match":{"HTTP":{"Header":{"Name":"x","Regex":"^[a-z]+$","Invert":true},"QueryParam":[{"Name":"q","Present":true}]}},"Destination":{"ServiceSubset":"v2"}},null]}""");
        Assert.StartsWith(
            """{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/admin","Methods":["GET","PUT"]}},"Destination":{"RequestTimeout":"15s","IdleTimeout":"1m0s","Service":"web","PrefixRewrite":"/","NumRetries":5,"RetryOnConnectFailure":true,"RetryOn":["5xx","reset"],"RetryOnStatusCodes":[503,504]}},{"Match":{"HTTP":{"Header":[{"Name":"x","Regex":"^[a-z]+$","Invert":true}],"QueryParam":[{"Name":"q","Present":true}]}},"Destination":{"ServiceSubset":"v2"}},{}],"CreateIndex":""",
            (await server.GetAsync("/v1/config/service-router/api")).Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", Decoding + "unexpected EOF")]
    [InlineData("", Decoding + "EOF")]
    [InlineData("null", Decoding + "Payload does not contain a kind/Kind key at the top level")]
    [InlineData("[]", Decoding + "'' expected a map, got 'slice'")]
    [InlineData("5", Decoding + "'' expected a map, got 'float64'")]
    [InlineData("""{"Name":"x"}""", Decoding + "Payload does not contain a kind/Kind key at the top level")]
    [InlineData("""{"Kind":5,"Name":"x"}""", Decoding + "Kind value in payload is not a string")]
    [InlineData("""{"Kind":"bogus","Name":"x"}""", Decoding + "invalid config entry kind: bogus")]
    [InlineData("""{"Kind":"service-defaults","Name":"x","Zed":1}""", Decoding + "1 error occurred:\n\t* invalid config key \"Zed\"\n\n")]
    [InlineData("""{"Kind":"service-defaults","name":"x","Name":"y"}""", Decoding + "1 error occurred:\n\t* invalid config key \"name\"\n\n")]
    [InlineData("""{"Kind":"service-defaults","Name":"x","Namespace":"foo"}""", Decoding + "1 error occurred:\n\t* invalid config key \"Namespace\", namespaces are a consul enterprise feature\n\n")]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Destination":{"Zed":1}}]}""", Decoding + "1 error occurred:\n\t* invalid config key \"Routes[0].Destination.Zed\"\n\n")]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Destination":{"RequestTimeout":"soon"}}]}""", Decoding + "1 error(s) decoding:\n\n* error decoding 'Routes[0].Destination.RequestTimeout': time: invalid duration \"soon\"")]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Destination":{"RetryOnStatusCodes":["a"]}}]}""", Decoding + "1 error(s) decoding:\n\n* cannot parse 'Routes[0].Destination.RetryOnStatusCodes[0]' as uint: strconv.ParseUint: parsing \"a\": invalid syntax")]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":5}""", Decoding + "1 error(s) decoding:\n\n* 'Routes[0]' expected a map, got 'float64'")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Subsets":{"a":5}}""", Decoding + "1 error(s) decoding:\n\n* 'Subsets[a]' expected a map, got 'float64'")]
    [InlineData("""{"Kind":"service-splitter","Name":"x","Splits":[{"Weight":"abc"}]}""", Decoding + "1 error(s) decoding:\n\n* cannot parse 'Splits[0].Weight' as float: strconv.ParseFloat: parsing \"abc\": invalid syntax")]
    [InlineData("""{"Kind":"service-defaults","Name":"y","Protocol":["http","a"]}""", Decoding + "1 error(s) decoding:\n\n* 'Protocol' expected type 'string', got unconvertible type '[]interface {}'")]
    [InlineData("""{"Kind":"service-defaults","Name":"y","Expose":{"Checks":"maybe","Paths":[{"ListenerPort":"abc","LocalPathPort":{}}]}}""", Decoding + "3 error(s) decoding:\n\n* 'Expose.Paths[0].LocalPathPort' expected type 'int', got unconvertible type 'map[string]interface {}'\n* cannot parse 'Expose.Checks' as bool: strconv.ParseBool: parsing \"maybe\": invalid syntax\n* cannot parse 'Expose.Paths[0].ListenerPort' as int: strconv.ParseInt: parsing \"abc\": invalid syntax")]
    [InlineData("""{"Kind":"service-defaults"}""", "serviceName is required")]
    [InlineData("""{"Kind":"service-router","Name":""}""", "Name is required")]
    [InlineData("""{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":90}]}""", "the sum of all split weights must be 100, not 90.000000")]
    [InlineData("""{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":33.335},{"Weight":66.665,"Service":"web"}]}""", "the sum of all split weights must be 100, not 100.010002")]
    [InlineData("""{"Kind":"service-splitter","Name":"api","Splits":[]}""", "no splits configured")]
    [InlineData("""{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":50,"ServiceSubset":"v1"},{"Weight":50,"Service":"api","ServiceSubset":"v1"}]}""", "split destination occurs more than once: service=\"api\", subset=\"v1\", namespace=\"\"")]
    [InlineData("""{"Kind":"service-splitter","Name":"tcpsvc","Splits":[{"Weight":100}]}""", "discovery chain \"tcpsvc\" uses a protocol \"tcp\" that does not permit advanced routing or splitting behavior")]
    [InlineData("""{"Kind":"service-router","Name":"tcpsvc","Routes":[]}""", "discovery chain \"tcpsvc\" uses a protocol \"tcp\" that does not permit advanced routing or splitting behavior")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathExact":"/a","PathPrefix":"/b"}}}]}""", "Route[0] should only contain at most one of PathExact, PathPrefix, or PathRegex")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"nope"}}}]}""", "Route[0] PathPrefix doesn't start with '/': \"nope\"")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"Header":[{"Exact":"1"}]}}}]}""", "Route[0] Header[0] missing required Name field")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"Header":[{"Name":"x","Present":true,"Exact":"a"}]}}}]}""", "Route[0] Header[0] should only contain one of Present, Exact, Prefix, Suffix, or Regex")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"QueryParam":[{"Name":"x"}]}}}]}""", "Route[0] QueryParam[0] should only contain one of Present, Exact, or Regex")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"Methods":["GET","get"]}}}]}""", "Route[0] Methods contains \"GET\" more than once")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathRegex":"("}}}]}""", "Route[0] PathRegex is not a linear-time regular expression: \"(\"")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Destination":{"PrefixRewrite":"/"}}]}""", "Route[0] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Destination":{"RetryOn":["sometimes"]}}]}""", "Route[0] contains an invalid retry condition: \"sometimes\"")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Destination":{"Namespace":"x"}}]}""", "Route[0] Destination.Namespace: only 'default' is supported")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/x"}},"Destination":{"ServiceSubset":"v9"}}]}""", "service \"api\" does not have a subset named \"v9\"")]
    [InlineData("""{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/x"}},"Destination":{"Service":"tcpsvc"}}]}""", "discovery chain \"api\" uses inconsistent protocols; service \"tcpsvc\" has \"tcp\" which is not \"http\"")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","DefaultSubset":"v1"}""", "DefaultSubset \"v1\" is not a valid subset")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Subsets":{"":{}}}""", "Subset defined with empty name")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Subsets":{"V 1":{}}}""", "Subset \"V 1\" is invalid: must be 63 characters or fewer, begin or end with lower case alphanumeric characters, and contain lower case alphanumeric characters or '-' in between")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Subsets":{"v1":{"Filter":"Nope == 1"}}}""", "Filter for subset \"v1\" is not a valid expression: Selector \"Nope\" is not valid")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Redirect":{}}""", "Redirect is empty")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Redirect":{"ServiceSubset":"v1"}}""", "Redirect.ServiceSubset defined without Redirect.Service")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Redirect":{"Service":"y","Peer":"p"}}""", "Redirect.Peer is not supported: this server has no peers")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Redirect":{"Service":"y"},"Failover":{"*":{"Service":"z"}}}""", "Redirect and Failover cannot both be set")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Failover":{"*":{}}}""", "Bad Failover[\"*\"] one of Service, ServiceSubset, Namespace, or Datacenters is required")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Failover":{"v9":{"Service":"y"}}}""", "Bad Failover[\"v9\"]: not a valid subset")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Failover":{"*":{"ServiceSubset":"v9"}}}""", "Bad Failover[\"*\"].ServiceSubset \"v9\" is not a valid subset of \"\"")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Failover":{"*":{"Datacenters":[""]}}}""", "Bad Failover[\"*\"].Datacenters: found empty datacenter")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","ConnectTimeout":"-1s"}""", "Bad ConnectTimeout '-1s', must be >= 0")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","LoadBalancer":{"Policy":"dice"}}""", "Bad LoadBalancer policy: \"dice\" is not supported")]
    [InlineData("""{"Kind":"service-resolver","Name":"x","LoadBalancer":{"Policy":"maglev","HashPolicies":[{"Field":"header"}]}}""", "Bad LoadBalancer HashPolicy[0]: Field \"header\" was specified without a FieldValue")]
    [InlineData("""{"Kind":"service-resolver","Name":"api","Redirect":{"Service":"tcpsvc"}}""", "discovery chain \"api\" uses inconsistent protocols; service \"tcpsvc\" has \"tcp\" which is not \"http\"")]
    [InlineData("""{"Kind":"jwt-provider","Name":"okta"}""", "must specify exactly one of Local or Remote JSON Web key set")]
    [InlineData("""{"Kind":"service-intentions","Name":"x"}""", "At least one source is required")]
    [InlineData("""{"Kind":"service-intentions","Name":"x","Sources":[{"Name":"a","Action":"allow"},{"Name":"a","Action":"deny"}]}""", "Sources[1] defines \"a\" more than once")]
    [InlineData("""{"Kind":"service-intentions","Name":"x","Sources":[{"Name":"a"}]}""", "1 error occurred:\n\t* Action must be set to 'allow' or 'deny'\n\n")]
    public async Task Put_OfSomethingWrong_IsRefusedInConsulsWordsAndChangesNothing(string body, string text)
    {
        await using var server = await StartAsync("api", "web");
        var before = await server.GetAsync("/v1/config/");
        var answer = await server.PutAsync("/v1/config", body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        var after = await server.GetAsync("/v1/config/");
        Assert.Equal((before.Body, before.Index), (after.Body, after.Index));
    }

    [Theory]
    [InlineData("GET", "/v1/config/bogus", 400, "invalid config entry kind: bogus")]
    [InlineData("GET", "/v1/config/service-router/nope", 404, "Config entry not found for \"service-router\" / \"nope\"")]
    [InlineData("GET", "/v1/config/service-router/", 404, "Config entry not found for \"service-router\" / \"\"")]
    [InlineData("GET", "/v1/config", 405, "method GET not allowed")]
    [InlineData("POST", "/v1/config", 405, "method POST not allowed")]
    [InlineData("DELETE", "/v1/config/service-resolver", 404, "Must provide both a kind and name to delete")]
    [InlineData("DELETE", "/v1/config/bogus/x", 400, "invalid config entry kind: bogus")]
    [InlineData("DELETE", "/v1/config/service-resolver/nope", 200, "{}")]
    [InlineData("DELETE", "/v1/config/service-intentions/nope", 200, "{}")]
    [InlineData("GET", "/v1/config/service-defaults?filter=Name==web", 200, "[]")]
    [InlineData("GET", "/v1/config/service-defaults?filter=Nope==web", 400, "Failed to create boolean expression evaluator: Selector \"Nope\" is not valid")]
    [InlineData("GET", "/v1/config/service-defaults?dc=dc9", 500, "No path to datacenter")]
    public async Task Calls_OfSomethingElse_AnswerInConsulsWords(string method, string path, int status, string text)
    {
        await using var server = await StartAsync("api");
        var answer = await server.SendAsync(method, path);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Put_WithCas_HoldsOnlyForTheIndexThatIsThere()
    {
        await using var server = await StartAsync("api");
        const string Body = """{"Kind":"service-defaults","Name":"api","Protocol":"http2"}""";
        var index = (await server.GetAsync("/v1/config/service-defaults/api")).Index;
        Assert.Equal("false", (await server.PutAsync("/v1/config?cas=1", Body)).Body);
        Assert.Equal("false", (await server.PutAsync("/v1/config?cas=0", Body)).Body);
        Assert.Equal("true", (await server.PutAsync($"/v1/config?cas={index}", Body)).Body);
        Assert.Equal("false", (await server.PutAsync($"/v1/config?cas={index}", Body)).Body);
        Assert.Equal("true", (await server.PutAsync("/v1/config?cas=0", """{"Kind":"service-defaults","Name":"brandnew"}""")).Body);
        var bad = await server.PutAsync("/v1/config?cas=x", Body);
        Assert.Equal((HttpStatusCode.BadRequest, "strconv.ParseUint: parsing \"x\": invalid syntax"), (bad.Status, bad.Body));
        Assert.Equal("false", (await server.SendAsync("DELETE", "/v1/config/service-defaults/api?cas=1")).Body);
        index = (await server.GetAsync("/v1/config/service-defaults/api")).Index;
        Assert.Equal("true", (await server.SendAsync("DELETE", $"/v1/config/service-defaults/api?cas={index}")).Body);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/v1/config/service-defaults/api")).Status);
    }

    [Fact]
    public async Task Write_ThatWouldBreakAChain_IsRefused()
    {
        await using var server = await StartAsync("api", "web");
        await PutAsync(server, """{"Kind":"service-resolver","Name":"api","DefaultSubset":"v1","Subsets":{"v1":{},"v2":{}}}""");
        await PutAsync(server, """{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":90,"ServiceSubset":"v1"},{"Weight":10,"ServiceSubset":"v2"}]}""");
        await PutAsync(server, """{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/admin"}},"Destination":{"Service":"web"}}]}""");
        await PutAsync(server, """{"Kind":"service-resolver","Name":"loopa","Redirect":{"Service":"loopb"}}""");
        (string Method, string Path, string? Body, string Text)[] writes =
        [
            ("PUT", "/v1/config", """{"Kind":"service-defaults","Name":"api","Protocol":"tcp"}""", "discovery chain \"api\" uses inconsistent protocols; service \"web\" has \"http\" which is not \"tcp\""),
            ("DELETE", "/v1/config/service-defaults/api", null, "discovery chain \"api\" uses inconsistent protocols; service \"web\" has \"http\" which is not \"tcp\""),
            ("DELETE", "/v1/config/service-defaults/web", null, "discovery chain \"api\" uses inconsistent protocols; service \"web\" has \"tcp\" which is not \"http\""),
            ("DELETE", "/v1/config/service-resolver/api", null, "service \"api\" does not have a subset named \"v1\""),
            ("PUT", "/v1/config", """{"Kind":"service-resolver","Name":"loopb","Redirect":{"Service":"loopa"}}""", "detected circular resolver redirect: [loopb.default.dc1 -> loopa.default.dc1 -> loopb.default.dc1]"),
            ("PUT", "/v1/config", """{"Kind":"service-splitter","Name":"web","Splits":[{"Weight":50,"Service":"api"},{"Weight":50,"Service":"web2"}]}""", "discovery chain \"web\" uses inconsistent protocols; service \"web2\" has \"tcp\" which is not \"http\""),
        ];
        foreach (var (method, path, body, text) in writes)
        {
            var answer = await server.SendAsync(method, path, body);
            Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        }

        Assert.Equal("{}", (await server.SendAsync("DELETE", "/v1/config/service-router/api")).Body);
        Assert.Equal("{}", (await server.SendAsync("DELETE", "/v1/config/service-splitter/api")).Body);
        Assert.Equal("{}", (await server.SendAsync("DELETE", "/v1/config/service-resolver/api")).Body);
        Assert.Equal("{}", (await server.SendAsync("DELETE", "/v1/config/service-defaults/api")).Body);
    }

    [Fact]
    public async Task Splitters_ThatLeadRound_AreRefused()
    {
        await using var server = await StartAsync("a", "b");
        await PutAsync(server, """{"Kind":"service-splitter","Name":"a","Splits":[{"Weight":50},{"Weight":50,"Service":"b"}]}""");
        var answer = await server.PutAsync("/v1/config", """{"Kind":"service-splitter","Name":"b","Splits":[{"Weight":50},{"Weight":50,"Service":"a"}]}""");
        Assert.Equal((HttpStatusCode.BadRequest, "detected circular reference: [splitter:b.default -> splitter:a.default -> splitter:b.default]"), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task Put_OfTheSame_MovesNoIndexAndWakesNobody()
    {
        await using var server = await StartAsync("api");
        var before = await server.GetAsync("/v1/config/service-defaults/api");
        await PutAsync(server, """{"Protocol":"http","Name":"api","Kind":"service-defaults"}""");
        var after = await server.GetAsync("/v1/config/service-defaults/api");
        Assert.Equal((before.Index, before.Body), (after.Index, after.Body));
    }

    [Fact]
    public async Task Watch_OfOneEntry_WakesForItAloneAndForItsDeletion()
    {
        await using var server = await StartAsync("api");
        var index = (await server.GetAsync("/v1/config/service-defaults/api")).Index;
        var one = await server.ParkAsync("/v1/config/service-defaults/api", index);
        var kind = await server.ParkAsync("/v1/config/service-defaults", index);
        var absent = await server.ParkAsync("/v1/config/service-router/api", (await server.GetAsync("/v1/config/service-router/api")).Index);
        await PutAsync(server, """{"Kind":"service-defaults","Name":"web"}""");
        Assert.Equal(2, (await kind).Json.GetArrayLength());
        await PutAsync(server, """{"Kind":"service-router","Name":"api"}""");
        Assert.Equal(HttpStatusCode.OK, (await absent).Status);
        Assert.False(one.IsCompleted);
        await server.SendAsync("DELETE", "/v1/config/service-router/api");
        await server.SendAsync("DELETE", "/v1/config/service-defaults/api");
        var gone = await one;
        Assert.Equal(HttpStatusCode.NotFound, gone.Status);
        Assert.True(gone.Index > index);
    }

    private static async Task<TestServer> StartAsync(params string[] services)
    {
        var server = await TestServer.StartAsync();
        foreach (var service in services)
        {
            await PutAsync(server, $$"""{"Kind":"service-defaults","Name":"{{service}}","Protocol":"http"}""");
        }

        return server;
    }

    private static async Task PutAsync(TestServer server, string body)
    {
        var answer = await server.PutAsync("/v1/config", body);
        Assert.True(answer is { Status: HttpStatusCode.OK, Body: "true" }, $"{body}: {(int)answer.Status} {answer.Body}");
    }
}
