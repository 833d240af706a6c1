namespace MeshClient.Consul.Tests.Contract;

public abstract partial class ApiContract
{
    private const string Ext = """{"Node":"ext-{s}","Address":"127.0.0.9","NodeMeta":{"external-node":"true"}""";

    [Fact]
    public async Task Catalog_NodeServiceAndChecks_ComeBackAlike()
    {
        await ExpectAsync("register a node", "PUT", "/v1/catalog/register", Ext + "}", 200, "true");
        await ExpectAsync("register a service and a check", "PUT", "/v1/catalog/register", Ext + """
            ,"Service":{"ID":"api-{s}","Service":"api-{s}","Port":81,"Tags":["e"],"Meta":{"m":"1"},"Weights":{"Passing":3,"Warning":1},"Connect":{"Native":true}},
            "Check":{"Node":"ext-{s}","CheckID":"service:api","Name":"c","Status":"passing","ServiceID":"api-{s}","Output":"o",
            "Definition":{"TCP":"127.0.0.9:81","Interval":"5s","Timeout":"1s","DeregisterCriticalServiceAfter":"30s"}}}
            """, 200, "true");
        await ExpectAsync("register checks", "PUT", "/v1/catalog/register", Ext + ""","SkipNodeUpdate":true,"Checks":[{"CheckID":"c1","Name":"c1","Status":"warning"},{"CheckID":"c2","Name":"c2","Status":"critical","ServiceID":"api-{s}"}]}""", 200, "true");
        await ExpectAsync("register a service without an id", "PUT", "/v1/catalog/register", Ext + ""","Service":{"Service":"noid-{s}","Port":1}}""", 200, "true");
        const string node = """{"ID":"","Node":"ext-{s}","Address":"127.0.0.9","Datacenter":"dc1","TaggedAddresses":null,"Meta":{"external-node":"true"},"CreateIndex":0,"ModifyIndex":0}""";
        const string api = """{"ID":"api-{s}","Service":"api-{s}","Tags":["e"],"Address":"","Meta":{"m":"1"},"Port":81,"Weights":{"Passing":3,"Warning":1},"EnableTagOverride":false,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{"Native":true},"CreateIndex":0,"ModifyIndex":0}""";
        await ExpectJsonAsync("/v1/catalog/node/ext-{s}?filter=Service==%22api-{s}%22", $$$"""{"Node":{{{node}}},"Services":{"api-{s}":{{{api}}} } }""");
        await ExpectJsonAsync("/v1/catalog/node-services/ext-{s}?filter=Service==%22api-{s}%22", $$"""{"Node":{{node}},"Services":[{{api}}]}""");
        await ExpectJsonAsync("/v1/catalog/node/nope-{s}", "null");
        await ExpectJsonAsync("/v1/catalog/node-services/nope-{s}", """{"Node":null,"Services":null}""");
        await ExpectJsonAsync("/v1/catalog/nodes?filter=Node==%22ext-{s}%22", $"[{node}]");
        await ExpectJsonAsync(
            "/v1/catalog/service/API-{s}?tag=E",
            """[{"ID":"","Node":"ext-{s}","Address":"127.0.0.9","Datacenter":"dc1","TaggedAddresses":null,"NodeMeta":{"external-node":"true"},"ServiceKind":"","ServiceID":"api-{s}","ServiceName":"api-{s}","ServiceTags":["e"],"ServiceAddress":"","ServiceWeights":{"Passing":3,"Warning":1},"ServiceMeta":{"m":"1"},"ServicePort":81,"ServiceEnableTagOverride":false,"ServiceProxy":{"MeshGateway":{},"Expose":{}},"ServiceConnect":{"Native":true},"CreateIndex":0,"ModifyIndex":0}]""");
        const string c1 = """{"Node":"ext-{s}","CheckID":"c1","Name":"c1","Status":"warning","Notes":"","Output":"","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"","Definition":{},"CreateIndex":0,"ModifyIndex":0}""";
        const string c2 = """{"Node":"ext-{s}","CheckID":"c2","Name":"c2","Status":"critical","Notes":"","Output":"","ServiceID":"api-{s}","ServiceName":"api-{s}","ServiceTags":["e"],"Type":"","Definition":{},"CreateIndex":0,"ModifyIndex":0}""";
        const string own = """{"Node":"ext-{s}","CheckID":"service:api","Name":"c","Status":"passing","Notes":"","Output":"o","ServiceID":"api-{s}","ServiceName":"api-{s}","ServiceTags":["e"],"Type":"tcp","Definition":{"Interval":"5s","Timeout":"1s","DeregisterCriticalServiceAfter":"30s","TCP":"127.0.0.9:81"},"CreateIndex":0,"ModifyIndex":0}""";
        await ExpectJsonAsync("/v1/health/node/ext-{s}", $"[{c1},{c2},{own}]");
        await ExpectJsonAsync("/v1/health/checks/api-{s}", $"[{c2},{own}]");
        await ExpectJsonAsync("/v1/health/state/warning?filter=Node==%22ext-{s}%22", $"[{c1}]");
        await ExpectJsonAsync("/v1/health/state/any?filter=Node==%22ext-{s}%22%20and%20Status==critical", $"[{c2}]");
        await ExpectJsonAsync("/v1/health/connect/api-{s}", $$"""[{"Node":{{node}},"Service":{{api}},"Checks":[{{c1}},{{c2}},{{own}}]}]""");
        await ExpectJsonAsync("/v1/health/service/api-{s}?passing", "[]");
        await ExpectJsonAsync("/v1/health/service/api-{s}?node-meta=external-node:false", "[]");

        await ExpectAsync("deregister a check", "PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}","CheckID":"c1"}""", 200, "true");
        await ExpectAsync("deregister a service", "PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}","ServiceID":"api-{s}"}""", 200, "true");
        await ExpectAsync("deregister an unknown service of a node", "PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}","ServiceID":"gone"}""", 200, "true");
        await ExpectJsonAsync("/v1/health/node/ext-{s}", "[]");
        await ExpectAsync("deregister a node", "PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}"}""", 200, "true");
        await ExpectAsync("deregister an unknown node", "PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}"}""", 200, "true");
        await ExpectJsonAsync("/v1/catalog/node/ext-{s}", "null");
    }

    [Fact]
    public async Task Catalog_WrongInput_IsAnsweredAlike()
    {
        await ExpectAsync("register without an address", "PUT", "/v1/catalog/register", """{"Node":"x"}""", 200, null);
        await ExpectAsync("register without a node", "PUT", "/v1/catalog/register", """{"Address":"127.0.0.9"}""", 200, null);
        await ExpectAsync("register with a broken body", "PUT", "/v1/catalog/register", "{", 400, "Request decode failed: unexpected EOF");
        await ExpectAsync("register with an unknown key", "PUT", "/v1/catalog/register", Ext + ""","Foo":1}""", 400, "Request decode failed: json: unknown field \"Foo\"");
        await ExpectAsync("register with a short node id", "PUT", "/v1/catalog/register", Ext + ""","ID":"short"}""", 200, null);
        await ExpectAsync("register of a service without a name", "PUT", "/v1/catalog/register", Ext + ""","Service":{"ID":"x"}}""", 200, null);
        await ExpectAsync("register of a check of another node", "PUT", "/v1/catalog/register", Ext + ""","Check":{"Node":"other","CheckID":"c9","Name":"x","Status":"passing"}}""", 200, null);
        await ExpectAsync("register of a check of no service", "PUT", "/v1/catalog/register", Ext + ""","Check":{"CheckID":"c9","Name":"x","Status":"passing","ServiceID":"gone"}}""", 200, null);
        await ExpectAsync("register of a check with any status", "PUT", "/v1/catalog/register", Ext + ""","Check":{"CheckID":"c9","Name":"x","Status":"bogus"}}""", 200, null);
        await ExpectAsync("register in another datacenter", "PUT", "/v1/catalog/register", Ext + ""","Datacenter":"dc9"}""", 500, "No path to datacenter");
        await ExpectAsync("register by the wrong method", "GET", "/v1/catalog/register", null, 405, "method GET not allowed");
        await ExpectAsync("catalog deregister without a node", "PUT", "/v1/catalog/deregister", """{"ServiceID":"x"}""", 200, null);
        await ExpectAsync("catalog deregister with a broken body", "PUT", "/v1/catalog/deregister", "x", 400, "Request decode failed: invalid character 'x' looking for beginning of value");
        await ExpectAsync("check list of no state", "GET", "/v1/health/state/", null, 400, "Missing check state");
        await ExpectAsync("check list of an unknown state", "GET", "/v1/health/state/unheard-of", null, 200, "[]");
        await ExpectAsync("deregister what was left", "PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}"}""", 200, "true");
    }

    [Fact]
    public async Task Watches_OfAServiceOnSeveralNodes_WakeForTheirNodesOnly()
    {
        await DoAsync("PUT", "/v1/catalog/register", Ext + ""","Service":{"Service":"w-{s}"}}""");
        var index = await IndexAsync("/v1/health/service/w-{s}");
        await DoAsync("PUT", "/v1/catalog/register", """{"Node":"other-{s}","Address":"127.0.0.8","Check":{"CheckID":"c","Status":"passing"}}""");
        Assert.Equal(index, await IndexAsync("/v1/health/service/w-{s}"));
        var parked = SendAsync("GET", $"/v1/health/service/w-{{s}}?index={index}&wait=15s");
        await DoAsync("PUT", "/v1/catalog/register", Ext + ""","Check":{"CheckID":"c","Status":"warning"}}""");
        var woken = await parked;
        using (woken.Response)
        {
            Assert.Contains("\"warning\"", woken.Body, StringComparison.Ordinal);
        }

        var moved = await IndexAsync("/v1/health/service/w-{s}");
        Assert.True(moved > index);
        await DoAsync("PUT", "/v1/catalog/register", Ext + ""","Check":{"CheckID":"c","Status":"warning"}}""");
        Assert.Equal(moved, await IndexAsync("/v1/health/service/w-{s}"));
        await DoAsync("PUT", "/v1/catalog/deregister", """{"Node":"ext-{s}"}""");
        await DoAsync("PUT", "/v1/catalog/deregister", """{"Node":"other-{s}"}""");
        Assert.True(await IndexAsync("/v1/health/service/w-{s}") > moved);
    }

    [Fact]
    public async Task Operations_OfOneServer_AnswerAlike()
    {
        await ExpectAsync("reload", "PUT", "/v1/agent/reload", null, 200, "");
        await ExpectAsync("force-leave of an unknown node", "PUT", "/v1/agent/force-leave/nope", null, 500, "agent: No node found with name 'nope'");
        await ExpectAsync("remove an unknown peer", "DELETE", "/v1/operator/raft/peer?address=127.0.0.1:1", null, 500, "address \"127.0.0.1:1\" was not found in the Raft configuration");
        await ExpectAsync("coordinate of an unknown node", "GET", "/v1/coordinate/node/nope", null, 404, "");
        await ExpectAsync("monitor of an unknown level", "GET", "/v1/agent/monitor?loglevel=bogus", null, 400, "Bad request: Unknown log level: bogus");
        await ExpectAsync("metrics in the form of Prometheus", "GET", "/v1/agent/metrics?format=prometheus", null, 200, null);
        var raft = (await GetAsync("/v1/operator/raft/configuration"))["Servers"]!.AsArray();
        Assert.Equal((1, true, true), (raft.Count, raft[0]!["Leader"]!.GetValue<bool>(), raft[0]!["Voter"]!.GetValue<bool>()));
        Assert.Equal("200ms", (await GetAsync("/v1/operator/autopilot/configuration"))["LastContactThreshold"]!.GetValue<string>());
        Assert.Equal(["Counters", "Gauges", "Points", "Samples", "Timestamp"], (await GetAsync("/v1/agent/metrics")).AsObject().Select(part => part.Key).Order(StringComparer.Ordinal));
        Assert.Equal(["DelegateCur", "Name", "Status"], (await GetAsync("/v1/agent/members?segment=_all"))[0]!.AsObject().Select(part => part.Key).Intersect(["Name", "Status", "DelegateCur"]).Order(StringComparer.Ordinal));
    }

    private async Task<ulong> IndexAsync(string path)
    {
        var (_, _, response) = await SendAsync("GET", path);
        using (response)
        {
            return ulong.Parse(response.Headers.GetValues("X-Consul-Index").Single(), System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
