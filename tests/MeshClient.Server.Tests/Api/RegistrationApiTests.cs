using System.Net;
using System.Text.Json;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>agent/service/*, with the texts of the captures.</summary>
public sealed class RegistrationApiTests
{
    private const string Register = "/v1/agent/service/register";

    [Fact]
    public async Task Register_OfANameOnly_ShowsItAsConsulDoes()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync(Register, """{"Name":"min"}""");
        Assert.Equal((HttpStatusCode.OK, ""), (answer.Status, answer.Body));
        Assert.False(answer.Headers.ContainsKey("Content-Type"));
        var service = await server.GetAsync("/v1/agent/service/min");
        var hash = service.Headers["X-Consul-Contenthash"];
        Assert.Matches("^[0-9a-f]{16}$", hash);
        // The address is the caller's: the one visible difference, because there is no agent on the caller's host.
        Assert.Equal(
            "{\"ID\":\"min\",\"Service\":\"min\",\"Tags\":[],\"Meta\":{},\"Port\":0,\"Address\":\"127.0.0.1\",\"TaggedAddresses\":"
            + "{\"lan_ipv4\":{\"Address\":\"127.0.0.1\",\"Port\":0},\"wan_ipv4\":{\"Address\":\"127.0.0.1\",\"Port\":0}},"
            + "\"Weights\":{\"Passing\":1,\"Warning\":1},\"EnableTagOverride\":false,\"ContentHash\":\"" + hash + "\"}",
            service.Body);
    }

    [Fact]
    public async Task Register_InSnakeAndLowerCase_IsTheSame()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Register, """
            {"id":"snake1","name":"snake","port":7,"enable_tag_override":true,"address":"10.0.0.1",
             "tagged_addresses":{"lan":{"address":"127.0.0.1","port":7}},"weights":{"passing":3,"warning":2},
             "check":{"name":"c","ttl":"10m","deregister_critical_service_after":"10m"}}
            """);
        var service = (await server.GetAsync("/v1/agent/service/snake1")).Json;
        Assert.True(service.GetProperty("EnableTagOverride").GetBoolean());
        Assert.Equal(3, service.GetProperty("Weights").GetProperty("Passing").GetInt32());
        Assert.Equal("127.0.0.1", service.GetProperty("TaggedAddresses").GetProperty("lan").GetProperty("Address").GetString());
        var check = server.State.Catalog.Instances["snake1"].Checks[0];
        Assert.Equal(("service:snake1", "c", TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(10)), (check.CheckId, check.Name, check.TimeToLive!.Value, check.DeregisterAfter!.Value));
    }

    [Theory]
    [InlineData("""{"ID":"x"}""", "Missing service name")]
    [InlineData("{bad json", "Request decode failed: invalid character 'b' looking for beginning of object key string")]
    [InlineData("", "Request decode failed: EOF")]
    [InlineData("  \n", "Request decode failed: EOF")]
    [InlineData("{", "Request decode failed: unexpected EOF")]
    [InlineData("""{"Name":"x""", "Request decode failed: unexpected EOF")]
    [InlineData("[]", "Request decode failed: json: cannot unmarshal array into Go value of type struct")]
    [InlineData("null", "Missing service name")]
    [InlineData("""{"Name":"x","Foo":1,"Zed":2}""", "Request decode failed: json: unknown field \"Foo\"")]
    [InlineData("""{"Name":"x","Port":"80"}""", "Request decode failed: json: cannot unmarshal string into Go struct field .Port of type int")]
    [InlineData("""{"Name":"x","Port":70000}""", "Invalid service port: 70000")]
    [InlineData("""{"Name":"x","Port":-1}""", "Invalid service port: -1")]
    [InlineData("""{"Name":"x","Check":{"TTL":"10 parsecs"}}""", "Request decode failed: time: unknown unit \" parsecs\" in duration \"10 parsecs\"")]
    [InlineData("""{"Name":"x","Check":{"HTTP":"http://127.0.0.1:1/"}}""", "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks")]
    [InlineData("""{"Name":"x","Check":{"Interval":"10s"}}""", "Invalid check: TTL must be > 0 for TTL checks")]
    [InlineData("""{"Name":"x","Checks":[null]}""", "Invalid check: TTL must be > 0 for TTL checks")]
    [InlineData("""{"Name":"x","Check":{"TTL":"10s","HTTP":"http://127.0.0.1:1/","Interval":"1s"}}""", "Invalid check: Interval and TTL cannot both be specified")]
    [InlineData("""{"Name":"x","Check":{"TTL":"10s","Status":"sick"}}""", "Status for checks must 'passing', 'warning', 'critical'")]
    [InlineData("""{"Name":"x","Check":{"Args":["/bin/true"],"Interval":"1s"}}""", "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true")]
    [InlineData("""{"Name":"x","Check":{"H2PING":"127.0.0.1:1","Interval":"1s"}}""", "Invalid check: this version of the server runs TTL, HTTP, TCP, gRPC and alias checks, no H2PING checks")]
    [InlineData("""{"Name":"x","Weights":{"Passing":-1,"Warning":1}}""", "Invalid Weights: Passing must be greater than 0")]
    [InlineData("""{"Name":"x","Weights":{"Passing":0,"Warning":0}}""", "Invalid Weights: Passing must be greater than 0")]
    [InlineData("""{"Name":"x","Weights":{"Passing":70000,"Warning":1}}""", "Invalid Weights: DNS Weight must be between 0 and 65535")]
    [InlineData("""{"Name":"x","Meta":{"bad key!":"v"}}""", "Invalid Service Meta: Couldn't load metadata pair ('bad key!', 'v'): Key contains invalid characters")]
    [InlineData("""{"Name":"x","Meta":{"consul-foo":"v"}}""", "Invalid Service Meta: Couldn't load metadata pair ('consul-foo', 'v'): Key prefix 'consul-' is reserved for internal use")]
    [InlineData("""{"Name":"x","Kind":"connect-proxy","Port":1,"Proxy":{}}""", "1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n")]
    [InlineData("""{"Name":"x","Kind":"connect-proxy","Proxy":{"DestinationServiceName":"y"}}""", "1 error occurred:\n\t* Port must be set for a Connect proxy\n\n")]
    [InlineData("""{"Name":"x","Kind":"nonsense"}""", "Invalid service kind \"nonsense\"")]
    [InlineData("""{"Name":"x","Address":"0.0.0.0"}""", "Invalid service address")]
    [InlineData("""{"Name":"x","Address":"::"}""", "Invalid service address")]
    [InlineData("""{"Name":"\ud800"}""", "Request decode failed: invalid surrogate pair in string")]
    [InlineData("""{"\ud800":1}""", "Request decode failed: invalid surrogate pair in string")]
    public async Task Register_OfSomethingWrong_IsRefusedInConsulsWords(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync(Register, body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        Assert.Equal("text/plain; charset=utf-8", answer.Headers["Content-Type"]);
        Assert.Empty(server.State.Catalog.Instances);
    }

    [Fact]
    public async Task Register_WithTooMuchMeta_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var pairs = string.Join(',', Enumerable.Range(0, 65).Select(i => $"\"k{i}\":\"v\""));
        var answer = await server.PutAsync(Register, "{\"Name\":\"x\",\"Meta\":{" + pairs + "}}");
        Assert.Equal("Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs", answer.Body);
    }

    [Theory]
    [InlineData("""{"Name":"x","Locality":{"Region":"a"},"Namespace":"n","Partition":"p","WriteRequest":{"Token":"t"}}""")]
    [InlineData("""{"Name":"x","Tags":null,"Meta":null,"Weights":null,"Check":null,"Checks":null,"Connect":null,"Proxy":null,"TaggedAddresses":null}""")]
    [InlineData("""{"Name":"x","Check":{}}""")]
    [InlineData("""{"Name":"x"} and more""")]
    public async Task Register_OfWhatNewerOrOlderClientsSend_IsAccepted(string body)
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Register, body);
        Assert.Empty(server.State.Catalog.Instances["x"].Checks);
    }

    [Fact]
    public async Task Register_OfSeveralChecks_NumbersTheirIds()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Register, """{"Name":"q","Check":{"TTL":30000000000},"Checks":[{"TTL":"10s","CheckID":"own"},{"TTL":"10s"}]}""");
        Assert.Equal(["own", "service:q:1", "service:q:3"], server.State.Catalog.Instances["q"].Checks.Select(check => check.CheckId));
        Assert.Equal("Service 'q' check", server.State.Catalog.Instances["q"].Checks[1].Name);
        Assert.Equal(TimeSpan.FromSeconds(30), server.State.Catalog.Instances["q"].Checks[1].TimeToLive);
    }

    [Fact]
    public async Task Register_OfABodyOverTheLimit_Is413()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync(Register, $$"""{"Name":"{{new string('x', 600 * 1024)}}"}""");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.Status);
    }

    [Fact]
    public async Task Deregister_OfAnEscapedId_TakesItOutWithItsChecks()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Register, """{"Name":"bad name/with slash","Check":{"TTL":"10s"}}""");
        await server.MustPutAsync("/v1/agent/service/deregister/bad%20name%2Fwith%20slash");
        Assert.Equal("{}", (await server.GetAsync("/v1/agent/services")).Body);
        Assert.Equal("{}", (await server.GetAsync("/v1/agent/checks")).Body);
    }

    [Theory]
    [InlineData("PUT", "/v1/agent/service/deregister/nope", 404, "Unknown service ID \"nope\". Ensure that the service ID is passed, not the service name.")]
    [InlineData("PUT", "/v1/agent/service/deregister/", 400, "ServiceID missing")]
    [InlineData("DELETE", "/v1/agent/service/deregister/x", 405, "method DELETE not allowed")]
    [InlineData("GET", "/v1/agent/service/register", 405, "method GET not allowed")]
    [InlineData("GET", "/v1/agent/service/nope", 404, "unknown service ID: nope")]
    [InlineData("GET", "/v1/agent/service/nope?hash=fd3d0bab739e1c54&wait=2s", 404, "unknown service ID: nope")]
    [InlineData("GET", "/v1/agent/service/", 404, "unknown service ID: ")]
    [InlineData("GET", "/v1/agent/service/x?wait=soon", 400, "Invalid wait time")]
    [InlineData("PUT", "/v1/agent/service/maintenance/x", 400, "Missing value for enable")]
    [InlineData("PUT", "/v1/agent/service/maintenance/x?enable=maybe", 400, "Invalid value for enable: \"maybe\"")]
    [InlineData("PUT", "/v1/agent/service/maintenance/nope?enable=true", 404, "No service registered with ID \"nope\"")]
    [InlineData("PUT", "/v1/agent/service/maintenance/?enable=true", 400, "Missing service ID")]
    [InlineData("PUT", "/v1/agent/services", 405, "method PUT not allowed")]
    public async Task ServiceCalls_OfSomethingWrong_AnswerInConsulsWords(string method, string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("x");
        var answer = await server.SendAsync(method, path);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
        Assert.Equal(method == "GET" && status == 404, answer.Headers.ContainsKey("X-Consul-Index"));
    }

    [Fact]
    public async Task Maintenance_OnAndOff_AddsAndTakesTheCriticalCheck()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("api", "api2", more: ""","Tags":["v1","http"]""");
        await server.MustPutAsync("/v1/agent/service/maintenance/api2?enable=true&reason=planned%20work");
        await server.MustPutAsync("/v1/agent/service/maintenance/api2?enable=true&reason=again");
        var check = (await server.GetAsync("/v1/agent/checks")).Json.GetProperty("_service_maintenance:api2").GetRawText();
        Assert.Equal(
            """{"Node":"n1","CheckID":"_service_maintenance:api2","Name":"Service Maintenance Mode","Status":"critical","Notes":"planned work","Output":"","ServiceID":"api2","ServiceName":"api","ServiceTags":["v1","http"],"Type":"maintenance","Definition":{},"CreateIndex":0,"ModifyIndex":0}""",
            check);
        Assert.Equal("[]", (await server.GetAsync("/v1/health/service/api?passing")).Body);
        await server.MustPutAsync("/v1/agent/service/maintenance/api2?enable=false");
        await server.MustPutAsync("/v1/agent/service/maintenance/api2?enable=false");
        Assert.Equal(1, (await server.GetAsync("/v1/health/service/api?passing")).Json.GetArrayLength());
        await server.MustPutAsync("/v1/agent/service/maintenance/api2?enable=true");
        Assert.Contains(
            "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.",
            (await server.GetAsync("/v1/agent/checks")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AgentService_WithTheSameHash_WaitsForAnotherDefinition()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("api");
        var hash = (await server.GetAsync("/v1/agent/service/api")).Headers["X-Consul-Contenthash"];
        var other = await server.GetAsync("/v1/agent/service/api?hash=deadbeef&wait=20s");
        Assert.Equal(hash, other.Headers["X-Consul-Contenthash"]);
        var parked = server.GetAsync($"/v1/agent/service/api?hash={hash}&wait=60s");
        await TestServer.UntilAsync(() => server.Store.Watches.Count == 1);
        await server.MustPutAsync("/v1/agent/check/fail/service:api");
        await server.RegisterAsync("other");
        Assert.False(parked.IsCompleted);
        await server.RegisterAsync("api", more: ""","Tags":["new"]""");
        Assert.NotEqual(hash, (await parked).Headers["X-Consul-Contenthash"]);
    }

    [Fact]
    public async Task Proxy_Registered_IsFoundByItsDestinationAndShownWithDefaults()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Register, """
            {"ID":"db-proxy","Name":"db-proxy","Kind":"connect-proxy","Port":20000,"Proxy":{"DestinationServiceName":"db",
             "DestinationServiceID":"db1","LocalServiceAddress":"127.0.0.1","LocalServicePort":5432,"Mode":"x","Config":{"a":1}}}
            """);
        var entry = Assert.Single((await server.GetAsync("/v1/health/connect/db")).Json.EnumerateArray()).GetProperty("Service");
        Assert.Equal(
            """{"DestinationServiceName":"db","DestinationServiceID":"db1","LocalServiceAddress":"127.0.0.1","LocalServicePort":5432,"Config":{"a":1},"MeshGateway":{},"Expose":{}}""",
            entry.GetProperty("Proxy").GetRawText());
        Assert.Equal("[]", (await server.GetAsync("/v1/health/connect/db-proxy")).Body);
        Assert.Equal(JsonValueKind.Array, (await server.GetAsync("/v1/health/service/db-proxy")).Json.ValueKind);
    }
}
