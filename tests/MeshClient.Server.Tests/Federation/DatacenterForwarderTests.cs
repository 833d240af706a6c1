using System.Net;
using System.Net.Sockets;
using System.Text;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.Federation;

/// <summary>Two servers, each a datacenter.</summary>
public sealed class DatacenterForwarderTests
{
    [Fact]
    public async Task Read_OfAnotherDatacenter_IsAnsweredByIt()
    {
        await using var east = await TestServer.StartAsync(options => options.Datacenter = "east");
        await using var west = await StartAsync(east.Address);
        await east.RegisterAsync("web");
        await west.RegisterAsync("api");
        var there = await west.GetAsync("/v1/health/service/web?dc=east&passing");
        Assert.Equal("east", there.Json[0].GetProperty("Node").GetProperty("Datacenter").GetString());
        Assert.Equal((await east.GetAsync("/v1/health/service/web")).Index, there.Index);
        Assert.Equal("[]", (await west.GetAsync("/v1/health/service/web")).Body);
        Assert.Single((await west.GetAsync("/v1/health/service/api?dc=west")).Json.EnumerateArray());
        Assert.Equal("""["west","east"]""", (await west.GetAsync("/v1/catalog/datacenters")).Body);
        Assert.NotEqual((await west.GetAsync("/v1/connect/ca/roots")).Body, (await west.GetAsync("/v1/connect/ca/roots?dc=east")).Body);
    }

    [Fact]
    public async Task Read_ThatWaits_IsWokenByTheOtherDatacenter()
    {
        await using var east = await TestServer.StartAsync(options => options.Datacenter = "east");
        await using var west = await StartAsync(east.Address);
        var index = (await west.GetAsync("/v1/health/service/web?dc=east")).Index;
        var read = west.GetAsync($"/v1/health/service/web?dc=east&index={index}&wait=60s");
        await TestServer.UntilAsync(() => east.Store.Watches.Count > 0);
        await east.RegisterAsync("web");
        Assert.Single((await read).Json.EnumerateArray());
    }

    [Theory]
    [InlineData("/v1/health/service/web?dc=south")]
    [InlineData("/v1/agent/connect/ca/leaf/web?dc=east")]
    public async Task Read_OfADatacenterThatIsNotThere_IsConsulsError(string path)
    {
        await using var west = await StartAsync(new Uri("http://127.0.0.1:1"));
        var answer = await west.GetAsync(path);
        Assert.Equal((500, "No path to datacenter"), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Read_OfADatacenterThatIsDown_FailsAndSaysWhich()
    {
        await using var west = await StartAsync(new Uri("http://127.0.0.1:1"));
        var answer = await west.GetAsync("/v1/catalog/services?dc=east");
        Assert.Equal((500, "rpc error getting client: datacenter east could not be reached"), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Read_OfADatacenterThatDoesNotAnswer_EndsAtTheTimeout()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 21, 3, 0, 0, TimeSpan.Zero));
        await using var west = await StartAsync(new Uri($"http://{silent.LocalEndpoint}"), time);
        var read = west.GetAsync("/v1/catalog/services?dc=east");
        using var accepted = await silent.AcceptTcpClientAsync(TestServer.Cancellation);
        var buffer = new byte[1];
        Assert.Equal(1, await accepted.GetStream().ReadAsync(buffer, TestServer.Cancellation));
        time.Advance(TimeSpan.FromSeconds(10));
        var answer = await read;
        Assert.Equal((500, "rpc error getting client: datacenter east could not be reached in time"), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Read_WithAToken_IsJudgedByTheOtherDatacenter()
    {
        await using var east = await TestServer.StartGuardedAsync(options => options.Datacenter = "east");
        await using var west = await StartAsync(east.Address);
        await east.RegisterAsync("web");
        Assert.Equal("[]", (await west.GetAsync("/v1/health/service/web?dc=east")).Body);
        west.Token = TestServer.ManagementToken;
        Assert.Single((await west.GetAsync("/v1/health/service/web?dc=east")).Json.EnumerateArray());
        west.Token = null;
        Assert.Single((await west.GetAsync($"/v1/health/service/web?dc=east&token={TestServer.ManagementToken}")).Json.EnumerateArray());
        west.Token = "10000000-0000-0000-0000-000000000000";
        var unknown = await west.GetAsync("/v1/health/service/web?dc=east");
        Assert.Equal((403, "ACL not found"), ((int)unknown.Status, unknown.Body));
    }

    [Fact]
    public async Task Read_ThatWouldGoInACircle_Ends()
    {
        // Both say of the other that it is south, and neither is.
        Uri? address = null;
        await using var east = await TestServer.StartAsync(options => options.Datacenter = "east");
        address = east.Address;
        await using var west = await TestServer.StartAsync(options =>
        {
            options.Datacenter = "west";
            options.Datacenters["south"] = new MeshServerDatacenterOptions { Address = address };
        });
        var answer = await west.GetAsync("/v1/catalog/services?dc=south");
        Assert.Equal((500, "No path to datacenter"), ((int)answer.Status, answer.Body));
    }

    [Theory]
    [InlineData("/v1/kv/../agent/connect/ca/leaf/web")]
    [InlineData("/v1/kv/%2e%2e/agent/connect/ca/leaf/web")]
    [InlineData("/v1/kv/.%2E/agent/connect/ca/leaf/web")]
    [InlineData("/v1/kv/..%2fagent/connect/ca/leaf/web")]
    [InlineData("/v1/kv/..\\agent/connect/ca/leaf/web")]
    [InlineData("/v1/kv/a/../../../outside")]
    [InlineData("/v1/kv/./agent/self")]
    public async Task Read_WhosePathLeadsElsewhere_IsNotHandedOn(string path)
    {
        await using var east = await TestServer.StartAsync(options => options.Datacenter = "east");
        await using var west = await StartAsync(east.Address);
        var answer = await SendRawAsync(west.Address, $"GET {path}?dc=east HTTP/1.1");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Empty(east.State.Leaves);
        Assert.DoesNotContain("PrivateKey", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_OfAKeyWithEscapes_ArrivesToTheLetter()
    {
        await using var east = await TestServer.StartAsync(options => options.Datacenter = "east");
        await using var west = await StartAsync(east.Address);
        await east.MustPutAsync("/v1/kv/a%2Fb%20c%3F/..d", "there");
        var answer = await SendRawAsync(west.Address, "GET /v1/kv/a%2Fb%20c%3F/..d?raw&dc=east HTTP/1.1");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.EndsWith("there", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_WithALineBreakInItsToken_SendsNoHeaderOfItsOwn()
    {
        using var east = new TcpListener(IPAddress.Loopback, 0);
        east.Start();
        await using var west = await StartAsync(new Uri($"http://{east.LocalEndpoint}"));
        var answer = await SendRawAsync(west.Address, "GET /v1/catalog/services?dc=east&token=a%0d%0aX-Injected:%201 HTTP/1.1");
        Assert.StartsWith("HTTP/1.1 403 ", answer, StringComparison.Ordinal);
        Assert.False(east.Pending());
    }

    [Fact]
    public async Task Read_OfSeveralDatacenters_IsAnsweredByTheFirst()
    {
        await using var east = await TestServer.StartAsync(options => options.Datacenter = "east");
        await using var west = await StartAsync(east.Address);
        await east.RegisterAsync("web");
        Assert.Single((await west.GetAsync("/v1/health/service/web?dc=east&dc=west")).Json.EnumerateArray());
    }

    // By hand: an HTTP client tidies its paths up before it sends them.
    private static async Task<string> SendRawAsync(Uri address, string line)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port, TestServer.Cancellation);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"{line}\r\nHost: {address.Authority}\r\nConnection: close\r\n\r\n"), TestServer.Cancellation);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(TestServer.Cancellation).WaitAsync(TestServer.Limit, TestServer.Cancellation);
    }

    private static Task<TestServer> StartAsync(Uri east, FakeTimeProvider? time = null) => TestServer.StartAsync(
        options =>
        {
            options.Datacenter = "west";
            options.Datacenters["east"] = new MeshServerDatacenterOptions { Address = east };
        },
        time);
}
