using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>
/// Together with the real <c>consul connect proxy</c> of 1.8.7 in one mesh, on whichever control plane: we call what stands behind
/// one, and what stands behind one calls us. Intentions are made and roots rotated by the command an operator would use.
/// </summary>
public abstract class ProxyContract
{
    // What anything here takes is well under a second; the rest is for a loaded machine.
    private static readonly TimeSpan IntentionLimit = TimeSpan.FromSeconds(10);
    private static readonly Uri Root = new("/", UriKind.Relative);

    /// <summary>Where the control plane is.</summary>
    protected abstract Uri Address { get; }

    private protected ConsulCli Cli => new(Address);

    private protected abstract Task RotateAsync();

    [Fact]
    public async Task Call_ServiceBehindAProxy_IsServedOverHttp11()
    {
        await using var mesh = new MeshHosts(Address);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders);
        await AllowAsync(mesh.Web, legacy.Name);
        var client = await mesh.StartWebAsync();

        Assert.Equal(
            $"HTTP/1.1 http {legacy.Name}",
            await client.GetStringAsync(new Uri($"https://{legacy.Name}"), MeshHosts.Cancellation));

        var sent = new byte[1 << 20];
        new Random(1).NextBytes(sent);
        using var content = new ByteArrayContent(sent);
        using var response = await client.PostAsync(new Uri($"https://{legacy.Name}/echo"), content, MeshHosts.Cancellation);
        Assert.Equal(sent, await response.Content.ReadAsByteArrayAsync(MeshHosts.Cancellation));
    }

    [Fact]
    public async Task Call_WebSocketBehindAProxy_IsOpened()
    {
        await using var mesh = new MeshHosts(Address);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders);
        await AllowAsync(mesh.Web, legacy.Name);
        var client = await mesh.StartWebAsync();
        using var socket = new ClientWebSocket();

        await socket.ConnectAsync(new Uri($"wss://{legacy.Name}/socket"), client, MeshHosts.Cancellation);
        await socket.SendAsync("ping"u8.ToArray(), WebSocketMessageType.Text, true, MeshHosts.Cancellation);
        var buffer = new byte[16];
        var answer = await socket.ReceiveAsync(buffer.AsMemory(), MeshHosts.Cancellation);

        Assert.Equal("ping", Encoding.ASCII.GetString(buffer, 0, answer.Count));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Call_Http2ServiceBehindAProxy_IsServedWhenTheSettingOrTheRequestSaysSo(bool bySetting)
    {
        await using var mesh = new MeshHosts(Address);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders, HttpProtocols.Http2);
        await AllowAsync(mesh.Web, legacy.Name);
        var client = await mesh.StartWebAsync(
            KeyValuePair.Create<string, string?>($"Mesh:Destinations:{legacy.Name}:PreferHttp2", bySetting ? "true" : null));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"https://{legacy.Name}");
        if (!bySetting)
        {
            request.Version = HttpVersion.Version20;
            request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        }

        using var response = await client.SendAsync(request, MeshHosts.Cancellation);

        // Its scheme, too, has to be the one of the connection it sees, or Kestrel would refuse the request.
        Assert.Equal($"HTTP/2 http {legacy.Name}", await response.Content.ReadAsStringAsync(MeshHosts.Cancellation));
    }

    [Fact]
    public async Task Forward_ToAServiceBehindAProxy_HandsOnBytes()
    {
        await using var mesh = new MeshHosts(Address);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders);
        await AllowAsync(mesh.Web, legacy.Name);
        var port = FreePorts.Find(1)[0];
        await mesh.StartWebAsync(KeyValuePair.Create<string, string?>($"Mesh:Forwards:{legacy.Name}:Listen", $"127.0.0.1:{port}"));
        using var program = new HttpClient();

        Assert.Equal(
            $"HTTP/1.1 http 127.0.0.1:{port}", await program.GetStringAsync(new Uri($"http://127.0.0.1:{port}"), MeshHosts.Cancellation));
    }

    [Fact]
    public async Task BeCalled_ByAProxyWithBytes_ServesARawListener()
    {
        await using var mesh = new MeshHosts(Address);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders);
        await AllowAsync(legacy.Name, mesh.Orders);
        await mesh.StartOrdersAsync(1, build: builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listener => listener.UseMesh().Run(connection =>
                connection.Transport.Input.CopyToAsync(connection.Transport.Output, connection.ConnectionClosed)))));
        await mesh.WaitForHealthyAsync(1);
        var answer = new byte[5];
        await MeshHosts.WaitUntilAsync(async () =>
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, legacy.UpstreamPort, MeshHosts.Cancellation);
                await client.GetStream().WriteAsync("bytes"u8.ToArray(), MeshHosts.Cancellation);
                await client.GetStream().ReadExactlyAsync(answer, MeshHosts.Cancellation);
                return true;
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // The proxy does not listen yet, or does not know the instance or the intention.
                return false;
            }
        });

        Assert.Equal("bytes", Encoding.ASCII.GetString(answer));
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task BeCalled_ByAProxy_ServesWhatTheProgramBehindItSpeaks(string version)
    {
        await using var mesh = new MeshHosts(Address);
        // A program that speaks HTTP/2 in plaintext says so, and Kestrel takes it over TLS only when told.
        await mesh.StartOrdersAsync(1, build: app => app.WebHost.ConfigureKestrel(kestrel => kestrel.AllowAlternateSchemes = version == "2.0"));
        await mesh.WaitForHealthyAsync(1);
        await AllowAsync(mesh.Web, mesh.Orders);
        var port = FreePorts.Find(1)[0];
        await using var proxy = await ProxyProcess.StartAsync(Cli, port, $"-service={mesh.Web}", $"-upstream={mesh.Orders}:{port}");
        using var program = new HttpClient
        {
            BaseAddress = new Uri($"http://127.0.0.1:{port}"),
            DefaultRequestVersion = Version.Parse(version),
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        // It listens before it has a certificate and knows where to go.
        await ExpectAsync(() => IsServedAsync(program, "/"), true);

        Assert.Equal(
            version == "2.0" ? "HTTP/2" : "HTTP/1.1",
            await program.GetStringAsync(new Uri("/protocol", UriKind.Relative), MeshHosts.Cancellation));
        Assert.Matches(
            $"^1 spiffe://[0-9a-f-]+\\.consul/ns/default/dc/dc1/svc/{mesh.Web}$",
            await program.GetStringAsync(Root, MeshHosts.Cancellation));
    }

    [Fact]
    public async Task Intention_DeniedAndAllowedByTheCommand_HoldsBothWays()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders);
        var web = await mesh.StartWebAsync();
        using var program = legacy.UpstreamClient();
        await AllowAsync(mesh.Web, legacy.Name);
        await AllowAsync(legacy.Name, mesh.Orders);
        await ExpectAsync(() => IsServedAsync(web, $"https://{legacy.Name}"), true);
        await ExpectAsync(() => IsServedAsync(program, "/"), true);

        for (var i = 0; i < 2; i++)
        {
            await Cli.SucceedAsync("intention", "create", "-replace", "-deny", mesh.Web, legacy.Name);
            await Cli.SucceedAsync("intention", "create", "-replace", "-deny", legacy.Name, mesh.Orders);
            await ExpectAsync(() => IsServedAsync(web, $"https://{legacy.Name}"), false);
            await ExpectAsync(() => IsServedAsync(program, "/"), false);

            await Cli.SucceedAsync("intention", "create", "-replace", "-allow", mesh.Web, legacy.Name);
            await Cli.SucceedAsync("intention", "create", "-replace", "-allow", legacy.Name, mesh.Orders);
            await ExpectAsync(() => IsServedAsync(web, $"https://{legacy.Name}"), true);
            await ExpectAsync(() => IsServedAsync(program, "/"), true);
        }
    }

    [Fact]
    public async Task Rotation_ByTheCommandUnderLoad_FailsNoCallEitherWay()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        await using var legacy = await Sidecar.StartAsync(Address, mesh.Orders);
        await AllowAsync(mesh.Web, legacy.Name);
        await AllowAsync(mesh.Web, mesh.Orders);
        await AllowAsync(legacy.Name, mesh.Orders);
        var web = await mesh.StartWebAsync();
        using var program = legacy.UpstreamClient();
        await ExpectAsync(() => IsServedAsync(web, $"https://{legacy.Name}"), true);
        await ExpectAsync(() => IsServedAsync(program, "/"), true);
        await using var there = new ProxyLoad(web, new Uri($"https://{legacy.Name}"));
        await using var back = new ProxyLoad(program, program.BaseAddress!);
        await there.WaitForMoreAsync(100);
        await back.WaitForMoreAsync(100);
        var ordersPort = await mesh.FindOrdersPortAsync();
        var watch = new CertificateWatch(Address, $"watch-{mesh.Web}");
        var before = await watch.ActiveRootAsync();

        await RotateAsync();

        var after = await watch.ActiveRootAsync();
        Assert.NotEqual(before, after);
        // All four that prove themselves have to do it by the new root before it counts: both ends both ways.
        await MeshHosts.WaitUntilAsync(async () =>
            await watch.IssuerAtAsync(legacy.PublicPort) == after
            && await watch.IssuerAtAsync(ordersPort) == after
            && (await CallOnceAsync(web, $"https://{mesh.Orders}/issuer")).Text == after
            && (await CallOnceAsync(program, "/issuer")).Text == after);
        await there.WaitForMoreAsync(100);
        await back.WaitForMoreAsync(100);

        Assert.Empty(await there.StopAsync());
        Assert.Empty(await back.StopAsync());
        TestContext.Current.TestOutputHelper?.WriteLine($"Calls into the proxy {there.Succeeded}, out of it {back.Succeeded}, failed 0.");
    }

    private Task<string> AllowAsync(string source, string destination) => Cli.SucceedAsync("intention", "create", "-allow", source, destination);

    private static async Task<bool> IsServedAsync(HttpClient client, string address)
    {
        try
        {
            var (status, text) = await CallOnceAsync(client, address);
            Assert.True(status is HttpStatusCode.OK or HttpStatusCode.Forbidden, $"{status}: {text}");
            return status == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    // The proxy proves itself and decides once for a connection, and lets those it has taken live on; so this has one of its own.
    private static async Task<(HttpStatusCode Status, string Text)> CallOnceAsync(HttpClient client, string address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.ConnectionClose = true;
        using var response = await client.SendAsync(request, MeshHosts.Cancellation);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(MeshHosts.Cancellation));
    }

    private static async Task ExpectAsync(Func<Task<bool>> isServed, bool expected)
    {
        var since = TimeProvider.System.GetTimestamp();
        await MeshHosts.WaitUntilAsync(async () => await isServed() == expected);
        var took = TimeProvider.System.GetElapsedTime(since);
        Assert.True(took < IntentionLimit, $"It took {took} until the intention held.");
        TestContext.Current.TestOutputHelper?.WriteLine($"{(expected ? "Allowed" : "Denied")} after {took.TotalMilliseconds:F0} ms.");
    }
}
