namespace MeshClient.Consul.Tests.Contract;

public abstract partial class ApiContract
{
    [Fact]
    public async Task AgentChecks_WrongInput_IsAnsweredAlike()
    {
        await DoAsync("PUT", "/v1/agent/service/register", """{"Name":"web-{s}","Checks":[{"CheckID":"http-{s}","HTTP":"http://127.0.0.1:1/","Interval":"1h"}]}""");
        await ExpectAsync("beat of an unknown check", "PUT", "/v1/agent/check/pass/nope-{s}", null, 200, null);
        await ExpectAsync("beat of a check that is not beaten", "PUT", "/v1/agent/check/pass/http-{s}", null, 200, null);
        await ExpectAsync("deregister an unknown check", "PUT", "/v1/agent/check/deregister/nope-{s}", null, 200, null);
        await ExpectAsync("deregister without a check id", "PUT", "/v1/agent/check/deregister/", null, 200, null);
        await ExpectAsync("deregister an unknown service", "PUT", "/v1/agent/service/deregister/nope-{s}", null, 200, null);
        await ExpectAsync("deregister without a service id", "PUT", "/v1/agent/service/deregister/", null, 200, null);
        await ExpectAsync("check of an unknown service", "PUT", "/v1/agent/check/register", """{"Name":"x","ServiceID":"nope-{s}","TTL":"10m"}""", 200, null);
        await ExpectAsync("script check", "PUT", "/v1/agent/check/register", """{"Name":"x","Args":["true"],"Interval":"1s"}""", 200, null);
        await ExpectAsync("check with the spelling of other calls", "PUT", "/v1/agent/check/register", """{"CheckID":"y-{s}","Name":"y-{s}","ServiceID":"web-{s}","TTL":"10m"}""", 200, null);
        await ExpectAsync("check without a name", "PUT", "/v1/agent/check/register", """{"TTL":"10m"}""", 400, "Missing check name");
        await ExpectAsync("check of no kind", "PUT", "/v1/agent/check/register", """{"Name":"x"}""", 400, "Invalid check: TTL must be > 0 for TTL checks");
        await ExpectAsync("check without an interval", "PUT", "/v1/agent/check/register", """{"Name":"x","TCP":"127.0.0.1:1"}""", 400, "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks");
        await ExpectAsync("check of two kinds", "PUT", "/v1/agent/check/register", """{"Name":"x","TTL":"10s","HTTP":"http://127.0.0.1:1/","Interval":"1s"}""", 400, "Invalid check: Interval and TTL cannot both be specified");
        await ExpectAsync("check with a bad status", "PUT", "/v1/agent/check/register", """{"Name":"x","TTL":"10s","Status":"sick"}""", 400, "Bad check status");
        await ExpectAsync("update with a bad status", "PUT", "/v1/agent/check/update/http-{s}", """{"Status":"maintenance"}""", 400, "Invalid check status: 'maintenance'");
        await ExpectAsync("update with a broken body", "PUT", "/v1/agent/check/update/http-{s}", "{", 400, "Request decode failed: unexpected EOF");
        await ExpectAsync("beat by the wrong method", "GET", "/v1/agent/check/pass/http-{s}", null, 405, "method GET not allowed");
        await DoAsync("PUT", "/v1/agent/service/deregister/web-{s}");
    }

    [Fact]
    public async Task AgentChecks_OfEveryKind_ShowAlike()
    {
        await DoAsync("PUT", "/v1/agent/service/register", """
            {"Name":"web-{s}","Tags":["t"],"Checks":[
              {"CheckID":"a-ttl-{s}","TTL":"10m","Notes":"n"},
              {"CheckID":"b-tcp-{s}","Name":"b","TCP":"127.0.0.1:1","Interval":"1h","Status":"warning"},
              {"CheckID":"c-http-{s}","Name":"c","HTTP":"http://127.0.0.1:1/","Interval":"1h","Timeout":"1s","Status":"passing"},
              {"CheckID":"d-grpc-{s}","Name":"d","GRPC":"127.0.0.1:1","Interval":"1h"}]}
            """);
        await DoAsync("PUT", "/v1/agent/check/warn/a-ttl-{s}?note=hm");
        var expected = string.Join(',', new[] { ("a-ttl", "Service 'web-{s}' check", "warning", "n", "hm", "ttl"), ("b-tcp", "b", "warning", "", "", "tcp"), ("c-http", "c", "passing", "", "", "http"), ("d-grpc", "d", "critical", "", "", "grpc") }
            .Select(check => $$"""
                "{{check.Item1}}-{s}":{"Node":"{node}","CheckID":"{{check.Item1}}-{s}","Name":"{{check.Item2}}","Status":"{{check.Item3}}","Notes":"{{check.Item4}}","Output":"{{check.Item5}}","ServiceID":"web-{s}","ServiceName":"web-{s}","ServiceTags":["t"],"Type":"{{check.Item6}}","Definition":{},"CreateIndex":0,"ModifyIndex":0}
                """));
        await ExpectJsonAsync("/v1/agent/checks?filter=ServiceID==%22web-{s}%22", "{" + expected + "}");
        await UntilAsync("/v1/health/checks/web-{s}", checks => checks.AsArray().Count == 4);
        var list = (await GetAsync("/v1/health/checks/web-{s}")).AsArray().Select(check => $"{check!["CheckID"]} {check["Status"]} {check["Type"]}").Order(StringComparer.Ordinal);
        Assert.Equal(new[] { "a-ttl-{s} warning ttl", "b-tcp-{s} warning tcp", "c-http-{s} passing http", "d-grpc-{s} critical grpc" }.Select(Fill), list);
        await DoAsync("PUT", "/v1/agent/service/deregister/web-{s}");
    }

    [Fact]
    public async Task AgentHealth_OfEachStatus_IsItsCodeAndText()
    {
        await DoAsync("PUT", "/v1/agent/service/register", """{"Name":"web-{s}","ID":"w1-{s}","Check":{"CheckID":"h-{s}","TTL":"10m","Status":"passing"}}""");
        foreach (var (verb, status, text) in new[] { ("pass", 200, "passing"), ("warn", 429, "warning"), ("fail", 503, "critical") })
        {
            await DoAsync("PUT", $"/v1/agent/check/{verb}/h-{{s}}");
            await ExpectAsync($"health by id, {text}", "GET", "/v1/agent/health/service/id/w1-{s}?format=text", null, status, text);
            await ExpectAsync($"health by name, {text}", "GET", "/v1/agent/health/service/name/web-{s}?format=text", null, status, text);
            Assert.Equal(text, (await GetAsync("/v1/agent/health/service/id/w1-{s}", status))["AggregatedStatus"]!.GetValue<string>());
        }

        await DoAsync("PUT", "/v1/agent/service/maintenance/w1-{s}?enable=true&reason=why");
        await ExpectAsync("health in maintenance", "GET", "/v1/agent/health/service/id/w1-{s}?format=text", null, 503, "maintenance");
        await ExpectJsonAsync(
            "/v1/agent/checks?filter=Type==%22maintenance%22%20and%20ServiceID==%22w1-{s}%22",
            """{"_service_maintenance:w1-{s}":{"Node":"{node}","CheckID":"_service_maintenance:w1-{s}","Name":"Service Maintenance Mode","Status":"critical","Notes":"why","Output":"","ServiceID":"w1-{s}","ServiceName":"web-{s}","ServiceTags":[],"Type":"maintenance","Definition":{},"CreateIndex":0,"ModifyIndex":0}}""");
        await ExpectJsonAsync("/v1/agent/health/service/id/nope-{s}", """{"AggregatedStatus":"critical","Service":null,"Checks":null}""", 404);
        await ExpectJsonAsync("/v1/agent/health/service/name/nope-{s}", "[]", 404);
        await ExpectAsync("health without an id", "GET", "/v1/agent/health/service/id/", null, 200, null);
        await ExpectAsync("health without a name", "GET", "/v1/agent/health/service/name/", null, 200, null);
        await ExpectAsync("maintenance without enable", "PUT", "/v1/agent/service/maintenance/w1-{s}", null, 400, "Missing value for enable");
        await ExpectAsync("maintenance with a bad enable", "PUT", "/v1/agent/service/maintenance/w1-{s}?enable=maybe", null, 400, "Invalid value for enable: \"maybe\"");
        await ExpectAsync("maintenance of an unknown service", "PUT", "/v1/agent/service/maintenance/nope-{s}?enable=true", null, 404, "No service registered with ID \"nope-{s}\"");
        await ExpectAsync("maintenance of no service", "PUT", "/v1/agent/service/maintenance/?enable=true", null, 400, "Missing service ID");
        await ExpectAsync("node maintenance without enable", "PUT", "/v1/agent/maintenance", null, 400, "Missing value for enable");
        await ExpectAsync("node maintenance with a bad enable", "PUT", "/v1/agent/maintenance?enable=x", null, 400, "Invalid value for enable: \"x\"");
        await DoAsync("PUT", "/v1/agent/service/deregister/w1-{s}");
    }

    // Run by the server itself, in real time: the shortest interval there is.
    [Fact]
    public async Task ChecksOfTheServer_AgainstRealTargets_SayTheSame()
    {
        var target = new Uri(Http.BaseAddress!, "/v1/status/leader");
        await DoAsync("PUT", "/v1/agent/service/register", $$"""
            {"Name":"run-{s}","Checks":[
              {"CheckID":"http-{s}","HTTP":"{{target}}","Interval":"1s"},
              {"CheckID":"bad-{s}","HTTP":"{{new Uri(Http.BaseAddress!, "/v1/nope")}}","Interval":"1s","Status":"passing"},
              {"CheckID":"post-{s}","HTTP":"{{target}}","Method":"POST","Interval":"1s","Status":"passing"},
              {"CheckID":"tcp-{s}","TCP":"{{target.Authority}}","Interval":"1s"},
              {"CheckID":"refused-{s}","TCP":"127.0.0.1:1","Interval":"1s","Status":"passing"},
              {"CheckID":"alias-{s}","AliasService":"run2-{s}"}]}
            """);
        await DoAsync("PUT", "/v1/agent/service/register", """{"Name":"run2-{s}","Check":{"Name":"own","TTL":"10m","Status":"passing"}}""");
        await DoAsync("PUT", "/v1/agent/check/fail/service:run2-{s}?note=bad");
        const string path = "/v1/agent/checks?filter=ServiceName==%22run-{s}%22";
        var output = new Dictionary<string, string>
        {
            ["http-{s} passing"] = $"HTTP GET {target}: 200 OK Output: ",
            ["bad-{s} critical"] = $"HTTP GET {new Uri(Http.BaseAddress!, "/v1/nope")}: 404 Not Found Output: ",
            ["post-{s} critical"] = $"HTTP POST {target}: 405 Method Not Allowed Output: method POST not allowed",
            ["tcp-{s} passing"] = $"TCP connect {target.Authority}: Success",
            ["refused-{s} critical"] = "dial tcp 127.0.0.1:1: connect: connection refused",
            ["alias-{s} critical"] = "Aliased check \"own\" failing: bad",
        };
        await UntilAsync(path, checks => output.All(expected => checks.AsObject().Any(check =>
            $"{check.Key} {check.Value!["Status"]}" == Fill(expected.Key)
            && check.Value["Output"]!.GetValue<string>().StartsWith(expected.Value, StringComparison.Ordinal))));
        await DoAsync("PUT", "/v1/agent/service/deregister/run-{s}");
        await DoAsync("PUT", "/v1/agent/service/deregister/run2-{s}");
    }
}
