using System.Net;
using System.Net.Sockets;
using MeshClient.Server.Hosting;
using MeshClient.Server.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Tests.Hosting;

/// <summary>The server in hosts of every kind, and its options.</summary>
public sealed class HostingTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AddMeshServer_InAGenericHost_ListensByItself()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddMeshServer(options => options.ListenAddress = new Uri("http://127.0.0.1:0"));
        builder.Services.AddMeshServer(options => options.Datacenter = "dc7");
        using var host = builder.Build();
        var server = host.Services.GetRequiredService<IMeshServer>();
        Assert.Throws<InvalidOperationException>(() => server.Address);
        await host.StartAsync(Cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        Assert.Equal("[\"dc7\"]", await http.GetStringAsync("/v1/catalog/datacenters", Cancellation));
        await host.StopAsync(Cancellation);
        Assert.Throws<InvalidOperationException>(() => server.Address);
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetStringAsync("/v1/catalog/datacenters", Cancellation));
    }

    [Fact]
    public async Task MapMeshServer_InAWebApp_ServesOnTheAppsOwnAddress()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore();
        builder.Services.AddMeshServer();
        await using var app = builder.Build();
        app.UseRouting();
        app.MapMeshServer();
        app.MapGet("/own", () => "app");
        await app.StartAsync(Cancellation);
        using var http = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()) };
        using var body = new StringContent("""{"Name":"a/b"}""");
        using var put = await http.PutAsync("/v1/agent/service/register", body, Cancellation);
        Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        Assert.Contains("a/b", await http.GetStringAsync("/v1/agent/service/a%2Fb", Cancellation), StringComparison.Ordinal);
        Assert.Equal("app", await http.GetStringAsync("/own", Cancellation));
        Assert.Throws<InvalidOperationException>(() => app.Services.GetRequiredService<IMeshServer>().Address);

        // A parked read does not hold the app up.
        using var first = await http.GetAsync("/v1/health/service/a", Cancellation);
        var index = first.Headers.GetValues("X-Consul-Index").Single();
        var parked = http.GetAsync($"/v1/health/service/a?index={index}&wait=10m", Cancellation);
        var core = app.Services.GetRequiredService<HostedMeshServer>().Core;
        await TestServer.UntilAsync(() => core.Store.Watches.Count == 1);
        await app.StopAsync(Cancellation).WaitAsync(TestServer.Limit, Cancellation);
        using var answer = await parked;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task MapMeshServer_WithoutAddMeshServer_SaysSo()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        await using var app = builder.Build();
        Assert.Throws<InvalidOperationException>(() => app.MapMeshServer());
    }

    [Fact]
    public async Task Start_WithWrongOptions_NamesThemAll()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddMeshServer(options =>
        {
            options.ListenAddress = new Uri("http://0.0.0.0:0");
            options.Datacenter = "DC 1";
            options.NodeName = "";
            options.NodeAddress = "here";
            options.DefaultIntentionPolicy = (DefaultIntentionPolicy)7;
            options.DataDirectory = " ";
            options.LeafCertificateLifetime = TimeSpan.FromMilliseconds(1);
            options.RotationSpread = TimeSpan.FromHours(1);
            options.MaxLeavesPerSecond = -1;
            options.MaxConnectionsPerClient = -1;
        });
        using var host = builder.Build();
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Cancellation));
        Assert.Equal(
            ["ListenAddress", "Datacenter", "NodeName", "NodeAddress", "DefaultIntentionPolicy", "DataDirectory", "LeafCertificateLifetime", "RotationSpread", "MaxLeavesPerSecond", "MaxConnectionsPerClient"],
            error.Failures.Select(failure => failure.Split(' ')[0]));
    }

    [Theory]
    [InlineData("http://127.0.0.1:0", true)]
    [InlineData("http://127.1.2.3:0", true)]
    [InlineData("http://localhost:0", true)]
    [InlineData("http://[::1]:0", true)]
    [InlineData("http://0.0.0.0:0", false)]
    [InlineData("http://10.0.0.1:0", false)]
    [InlineData("https://127.0.0.1:0", false)]
    [InlineData("http://example.com:80", false)]
    [InlineData("http://127.0.0.1:80/path", false)]
    [InlineData("unix:/tmp/x", false)]
    public void ListenAddress_IsLoopbackAndPlain_OrAnError(string address, bool good) =>
        Assert.Equal(good, !MeshServerOptionsValidator.Find(new MeshServerOptions { ListenAddress = new Uri(address) }).Any());

    [Theory]
    [InlineData("http://127.0.0.1:8500", false, true)]
    [InlineData("http://localhost:8500", false, true)]
    [InlineData("https://east.example:8501", false, true)]
    [InlineData("http://east.example:8500", false, false)]
    [InlineData("http://10.0.0.1:8500", false, false)]
    [InlineData("http://10.0.0.1:8500", true, true)]
    public void DatacenterAddress_ByPlainHttp_IsOfThisMachineUnlessAllowed(string address, bool allowed, bool good)
    {
        var options = new MeshServerOptions();
        options.Datacenters["east"] = new MeshServerDatacenterOptions { Address = new Uri(address), AllowPlaintext = allowed };
        Assert.Equal(good, !MeshServerOptionsValidator.Find(options).Any(error => error.StartsWith("Datacenters:east:Address", StringComparison.Ordinal)));
    }

    [Fact]
    public void ListenAddress_BeyondLoopback_IsAllowedWhenAskedFor() => Assert.Empty(MeshServerOptionsValidator.Find(
        new MeshServerOptions { ListenAddress = new Uri("http://0.0.0.0:0"), AllowPlaintextBeyondLoopback = true }));

    [Fact]
    public void Constructor_WithWrongOptions_NamesThemAll()
    {
        var error = Assert.Throws<ArgumentException>(() => new MeshServer(new MeshServerOptions { Datacenter = "", NodeAddress = "x" }));
        Assert.Contains("Datacenter", error.Message, StringComparison.Ordinal);
        Assert.Contains("NodeAddress", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configuration_IsReadBeforeCode()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["MeshServer:ListenAddress"] = "http://127.0.0.1:0",
            ["MeshServer:Datacenter"] = "north",
            ["MeshServer:DefaultIntentionPolicy"] = "deny",
            ["MeshServer:LeafCertificateLifetime"] = "02:00:00",
        });
        builder.Services.AddMeshServer(options => options.Datacenter += "-1");
        using var host = builder.Build();
        await host.StartAsync(Cancellation);
        var options = host.Services.GetRequiredService<IOptions<MeshServerOptions>>().Value;
        Assert.Equal(("north-1", DefaultIntentionPolicy.Deny, TimeSpan.FromHours(2)), (options.Datacenter, options.DefaultIntentionPolicy, options.LeafCertificateLifetime));
        await host.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Configuration_WithAnUnknownKey_EndsTheStart()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["MeshServer:ListenAdress"] = "http://127.0.0.1:0",
            ["MeshServer:datacenter"] = "DC 1",
            ["MeshServer:NodeName:First"] = "n1",
        });
        builder.Services.AddMeshServer();
        using var host = builder.Build();
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Cancellation));
        Assert.Equal(["MeshServer:ListenAdress", "MeshServer:NodeName", "Datacenter"], error.Failures.Select(failure => failure.Split(' ')[0]));
    }

    [Theory]
    [InlineData("MeshServer:Datacenter", "DC 1", "Datacenter is 'DC 1'")]
    [InlineData("MeshServer:Datacentre", "dc1", "MeshServer:Datacentre")]
    [InlineData("MeshServer:MaxLeavesPerSecond", "many", "MeshServer:MaxLeavesPerSecond")]
    public async Task Start_WithWrongOptionsHereAndElsewhere_NamesBoth(string key, string value, string problem)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { [key] = value });
        builder.Services.AddMeshServer();
        builder.Services.AddOptions<ElsewhereOptions>().Validate(_ => false, "Wrong elsewhere.").ValidateOnStart();
        using var host = builder.Build();
        var errors = await Assert.ThrowsAsync<AggregateException>(() => host.StartAsync(Cancellation));
        Assert.Contains(errors.InnerExceptions, error => error.Message.Contains("Wrong elsewhere.", StringComparison.Ordinal));
        Assert.Contains(errors.InnerExceptions, error => error.Message.Contains(problem, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_WithWrongOptionsElsewhere_OpensNoDataDirectory()
    {
        var folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
        try
        {
            var builder = Host.CreateEmptyApplicationBuilder(null);
            builder.Services.AddMeshServer(options => options.DataDirectory = Path.Combine(folder, "data"));
            builder.Services.AddOptions<ElsewhereOptions>().Validate(_ => false, "Wrong elsewhere.").ValidateOnStart();
            using var host = builder.Build();
            await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Cancellation));
            Assert.Empty(Directory.GetFileSystemEntries(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Start_OnAnAddressThisMachineHasNot_SaysWhichAddress()
    {
        // RFC 5737: an address of documentation, which no machine has.
        var options = new MeshServerOptions { ListenAddress = new Uri("http://192.0.2.1:0"), AllowPlaintextBeyondLoopback = true };
        await using var server = new MeshServer(options);
        var error = await Assert.ThrowsAsync<IOException>(() => server.StartAsync(Cancellation));
        Assert.StartsWith("The server cannot listen on http://192.0.2.1:0/: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OnAPortInUse_Throws()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var server = new MeshServer(new MeshServerOptions { ListenAddress = new Uri($"http://{listener.LocalEndpoint}") });
        await Assert.ThrowsAnyAsync<IOException>(() => server.StartAsync(Cancellation));
    }

    [Fact]
    public async Task Stop_Twice_AndStartAfterwards_AreHarmlessAndRefused()
    {
        var server = new MeshServer(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });
        await server.StartAsync(Cancellation);
        await server.StopAsync(Cancellation);
        await server.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.StartAsync(Cancellation));
    }

    [Fact]
    public async Task ARequestUnderAForeignName_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/v1/agent/connect/ca/leaf/web"));
        request.Headers.Host = "rebound.example:8500";
        using var response = await server.Http.SendAsync(request, Cancellation);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, response.StatusCode);
        Assert.Empty(server.State.Leaves);
    }

    [Fact]
    public async Task ConnectionsOverTheLimit_AreAnswered429AndClosed()
    {
        await using var server = await TestServer.StartAsync(options => options.MaxConnectionsPerClient = 2);
        using var first = await RawAsync(server.Address);
        using var second = await RawAsync(server.Address);
        Assert.StartsWith("HTTP/1.1 200", await AskAsync(first), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", await AskAsync(second), StringComparison.Ordinal);
        using (var third = await RawAsync(server.Address))
        {
            var answer = await AskAsync(third);
            Assert.StartsWith("HTTP/1.1 429", answer, StringComparison.Ordinal);
            Assert.Contains("Connection: close", answer, StringComparison.OrdinalIgnoreCase);
            Assert.Equal(0, await third.ReceiveAsync(new byte[1], Cancellation));
        }

        first.Close();
        var again = string.Empty;
        var end = Environment.TickCount64 + (long)TestServer.Limit.TotalMilliseconds;
        while (!again.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
        {
            Assert.True(Environment.TickCount64 < end);
            using var fourth = await RawAsync(server.Address);
            again = await AskAsync(fourth);
        }
    }

    private static async Task<Socket> RawAsync(Uri address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, address.Port, Cancellation);
        return socket;
    }

    private static async Task<string> AskAsync(Socket socket)
    {
        await socket.SendAsync("GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray(), Cancellation);
        var buffer = new byte[4096];
        var length = await socket.ReceiveAsync(buffer, Cancellation);
        return System.Text.Encoding.ASCII.GetString(buffer, 0, length);
    }

    private sealed class ElsewhereOptions;
}
