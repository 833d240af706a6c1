namespace MeshClient.Consul.Tests.Contract;

public abstract partial class ApiContract
{
    [Fact]
    public async Task Sidecar_DescribedWithItsService_ComesAndGoesWithIt()
    {
        await DoAsync("PUT", "/v1/agent/service/register", """
            {"ID":"pay-{s}-1","Name":"pay-{s}","Address":"127.0.0.7","Port":9301,"Tags":["t"],"Meta":{"k":"v"},
            "Connect":{"SidecarService":{"Address":"127.0.0.7","Proxy":{"Upstreams":[{"DestinationName":"api","LocalBindPort":9191}]}}}}
            """);

        var sidecar = await GetAsync("/v1/agent/service/pay-{s}-1-sidecar-proxy");
        Assert.Equal("connect-proxy", (string?)sidecar["Kind"]);
        Assert.Equal(Fill("pay-{s}-sidecar-proxy"), (string?)sidecar["Service"]);
        Assert.Equal("127.0.0.7", (string?)sidecar["Address"]);
        Assert.InRange((int)sidecar["Port"]!, 21000, 21255);
        Assert.Equal("""["t"]""", sidecar["Tags"]!.ToJsonString());
        Assert.Equal("""{"k":"v"}""", sidecar["Meta"]!.ToJsonString());
        var proxy = sidecar["Proxy"]!;
        Assert.Equal(Fill("pay-{s}"), (string?)proxy["DestinationServiceName"]);
        Assert.Equal(Fill("pay-{s}-1"), (string?)proxy["DestinationServiceID"]);
        Assert.Equal("127.0.0.1", (string?)proxy["LocalServiceAddress"]);
        Assert.Equal(9301, (int)proxy["LocalServicePort"]!);
        Assert.Equal("api", (string?)proxy["Upstreams"]![0]!["DestinationName"]);
        Assert.Equal(
            ["Connect Sidecar Listening", Fill("Connect Sidecar Aliasing pay-{s}-1")],
            (await GetAsync("/v1/health/checks/pay-{s}-sidecar-proxy")).AsArray().Select(check => (string?)check!["Name"]).OrderDescending());
        Assert.Equal(Fill("pay-{s}-sidecar-proxy"), (string?)Assert.Single((await GetAsync("/v1/health/connect/pay-{s}")).AsArray())!["Service"]!["Service"]);

        // Once more: the port is the same.
        await DoAsync("PUT", "/v1/agent/service/register", """
            {"ID":"pay-{s}-1","Name":"pay-{s}","Address":"127.0.0.7","Port":9302,"Connect":{"SidecarService":{"Address":"127.0.0.7"}}}
            """);
        var again = await GetAsync("/v1/agent/service/pay-{s}-1-sidecar-proxy");
        Assert.Equal((int)sidecar["Port"]!, (int)again["Port"]!);
        Assert.Equal(9302, (int)again["Proxy"]!["LocalServicePort"]!);

        await DoAsync("PUT", "/v1/agent/service/deregister/pay-{s}-1");
        await ExpectAsync("a sidecar whose service is gone", "GET", "/v1/agent/service/pay-{s}-1-sidecar-proxy", null, 404, null);
        Assert.Empty((await GetAsync("/v1/health/checks/pay-{s}-sidecar-proxy")).AsArray());
    }

    [Fact]
    public async Task Sidecar_RegisteredByItself_StaysWithoutItsService()
    {
        await DoAsync("PUT", "/v1/agent/service/register", """{"Name":"own-{s}","Port":1}""");
        await DoAsync("PUT", "/v1/agent/service/register", """
            {"Name":"own-{s}-sidecar-proxy","Kind":"connect-proxy","Port":2,"Proxy":{"DestinationServiceName":"own-{s}","DestinationServiceID":"own-{s}"}}
            """);

        await DoAsync("PUT", "/v1/agent/service/deregister/own-{s}");

        Assert.Equal(2, (int)(await GetAsync("/v1/agent/service/own-{s}-sidecar-proxy"))["Port"]!);
        await DoAsync("PUT", "/v1/agent/service/deregister/own-{s}-sidecar-proxy");
    }

    [Theory]
    [InlineData("""{"ID":"mine"}""")]
    [InlineData("""{"Connect":{"SidecarService":{}}}""")]
    [InlineData("""{"Foo":1}""")]
    public async Task Sidecar_WronglyDescribed_IsRefusedWithItsService(string sidecar)
    {
        await ExpectAsync(
            sidecar, "PUT", "/v1/agent/service/register", $$$"""{"Name":"bad-{s}","Port":1,"Connect":{"SidecarService":{{{sidecar}}}}}""", 400, null);
        await ExpectAsync("a service refused for its sidecar", "GET", "/v1/agent/service/bad-{s}", null, 404, null);
    }
}
