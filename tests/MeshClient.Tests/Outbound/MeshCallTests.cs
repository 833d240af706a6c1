using System.Net;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Calls that arrive, by every kind of client and name.</summary>
public sealed class MeshCallTests
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_ServiceByName_ArrivesOverMutualTlsAndHttp2()
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", EchoAsync);

        using var response = await env.Client().GetAsync("http://orders/a/b?c=d", Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("HTTP/2 https orders /a/b?c=d", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.Equal(env.Authority.IdOf(ServiceName.Parse("web")), peer.Tls!.LastCaller);
        Assert.Equal("http://orders/a/b?c=d", response.RequestMessage!.RequestUri!.OriginalString);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("http://orders/")]
    [InlineData("https://orders/")]
    [InlineData("https+http://orders/")]
    [InlineData("http+https://orders/")]
    [InlineData("HTTP://ORDERS/")]
    [InlineData("https+http://ORDERS/")]
    public async Task GetAsync_AnyScheme_MeshInstanceIsCalledOverMutualTls(string address)
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", EchoAsync);
        Assert.Equal("HTTP/2 https orders /", await env.Client().GetStringAsync(address, Token));
        Assert.Equal(1, peer.Tls!.Handshakes);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("http://orders//double//slash")]
    [InlineData("https+http://orders//double")]
    [InlineData("http://orders/a%2Fb?x=%20y&u=http://h/")]
    [InlineData("http://orders/?q")]
    public async Task GetAsync_OddPaths_ArriveAsWritten(string address)
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", context => context.Response.WriteAsync(
            $"{context.Request.Host}|{context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget}", context.RequestAborted));
        Assert.Equal($"orders|{new Uri(address).PathAndQuery}", await env.Client().GetStringAsync(address, Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_PathTheAppWantsUntouched_ArrivesUntouched()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", context => context.Response.WriteAsync(
            context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget, context.RequestAborted));
        var raw = new Uri("http://orders/%61%2e/b", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        Assert.Equal("/%61%2e/b", await env.Client().GetStringAsync(raw, Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_NamedTypedAndHandMadeClients_AllReachTheMesh()
    {
        await using var env = new MeshTestEnvironment(services: services =>
        {
            services.AddHttpClient("named", client => client.BaseAddress = new Uri("https+http://orders/base/"));
            services.AddHttpClient<TypedClient>(client => client.BaseAddress = new Uri("http://orders"));
        });
        await env.StartAsync("orders", EchoAsync);

        Assert.Equal("HTTP/2 https orders /base/x", await env.Client("named").GetStringAsync("x", Token));
        Assert.Equal("HTTP/2 https orders /typed", await env.Services.GetRequiredService<TypedClient>().GetAsync(Token));
        using var handMade = new HttpClient(env.Handlers.Create());
        Assert.Equal("HTTP/2 https orders /hand", await handMade.GetStringAsync("http://orders/hand", Token));
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/invoker");
        using var response = await invoker.SendAsync(request, Token);
        Assert.Equal("HTTP/2 https orders /invoker", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal("http://orders/invoker", request.RequestUri!.OriginalString);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task AddMeshHandler_OneClientOnly_OthersStayOutside()
    {
        var services = new ServiceCollection();
        using var plane = new Testing.InMemoryControlPlane();
        services.AddSingleton<Core.ControlPlane.IInstanceSource>(plane);
        services.AddSingleton<Core.ControlPlane.ILeafCertificateSource>(plane);
        services.AddSingleton<Core.ControlPlane.ITrustBundleSource>(plane);
        services.Configure<MeshOptions>(options => options.Service = "web");
        services.AddHttpClient("inside").AddMeshHandler().AddMeshHandler();
        var outside = new OutsideHandler();
        services.AddHttpClient("outside").ConfigurePrimaryHttpMessageHandler(() => outside);
        await using var provider = services.BuildServiceProvider();
        await using var peer = await HttpPeer.StartAsync(EchoAsync, PeerTls.For(plane.Authority, "orders"));
        plane.AddInstance(Orders, "127.0.0.1", peer.Port);
        var factory = provider.GetRequiredService<IHttpClientFactory>();

        Assert.Equal("HTTP/2 https orders /", await factory.CreateClient("inside").GetStringAsync("http://orders/", Token));
        Assert.Equal("outside", await factory.CreateClient("outside").GetStringAsync("http://orders/", Token));
        Assert.Equal(1, peer.Requests);
        var handlers = provider.GetRequiredService<IHttpMessageHandlerFactory>();
        Assert.Equal(1, CountMeshHandlers(handlers.CreateHandler("inside")));
        Assert.Equal(0, CountMeshHandlers(handlers.CreateHandler("outside")));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task AddMeshClient_TogetherWithAddMeshHandlerAndTwice_IsOneHandler()
    {
        await using var env = new MeshTestEnvironment(services: services =>
        {
            services.AddMeshClient();
            services.AddHttpClient("named").AddMeshHandler();
            services.AddMeshClient(options => options.DiscoveryTimeout = TimeSpan.FromSeconds(7));
        });
        var handlers = env.Services.GetRequiredService<IHttpMessageHandlerFactory>();
        Assert.Equal(1, CountMeshHandlers(handlers.CreateHandler("named")));
        Assert.Equal(1, CountMeshHandlers(handlers.CreateHandler(string.Empty)));
        var options = env.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<MeshOptions>>().Value;
        Assert.Equal((TimeSpan.FromSeconds(7), "web"), (options.DiscoveryTimeout, options.Service));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SendAsync_AppsOwnHandlers_SeeEachCallOnceWhateverTheOrder(bool addedBefore)
    {
        var seen = 0;
        void AddClient(IServiceCollection services) => services.AddHttpClient("named").AddHttpMessageHandler(() => new Counting(() => seen++));
        var collection = new ServiceCollection();
        if (addedBefore)
        {
            AddClient(collection);
        }

        using var plane = new Testing.InMemoryControlPlane();
        collection.AddSingleton<Core.ControlPlane.IInstanceSource>(plane);
        collection.AddSingleton<Core.ControlPlane.ILeafCertificateSource>(plane);
        collection.AddSingleton<Core.ControlPlane.ITrustBundleSource>(plane);
        collection.AddMeshClient(options => options.Service = "web");
        if (!addedBefore)
        {
            AddClient(collection);
        }

        await using var provider = collection.BuildServiceProvider();
        await using var bad = await HttpPeer.StartAsync(
            context =>
            {
                context.Response.StatusCode = 503;
                return Task.CompletedTask;
            },
            PeerTls.For(plane.Authority, "orders"));
        await using var good = await HttpPeer.StartAsync(EchoAsync, PeerTls.For(plane.Authority, "orders"));
        plane.AddInstance(Orders, "127.0.0.1", bad.Port);
        plane.AddInstance(Orders, "127.0.0.1", good.Port);
        var client = provider.GetRequiredService<IHttpClientFactory>().CreateClient("named");
        for (var i = 1; i <= 10; i++)
        {
            Assert.Equal("HTTP/2 https orders /", await client.GetStringAsync("http://orders/", Token));
            Assert.Equal(i, seen);
        }

        Assert.InRange(bad.Requests, 1, 10);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_VersionsAskedFor_AreKept()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", EchoAsync);
        Assert.Equal("HTTP/1.1", await ProtocolAsync(HttpVersion.Version11, HttpVersionPolicy.RequestVersionExact));
        Assert.Equal("HTTP/2", await ProtocolAsync(HttpVersion.Version11, HttpVersionPolicy.RequestVersionOrLower));
        Assert.Equal("HTTP/2", await ProtocolAsync(HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact));
        Assert.Equal("HTTP/2", await ProtocolAsync(HttpVersion.Version11, HttpVersionPolicy.RequestVersionOrHigher));

        async Task<string> ProtocolAsync(Version version, HttpVersionPolicy policy)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/") { Version = version, VersionPolicy = policy };
            using var response = await env.Client().SendAsync(request, Token);
            return (await response.Content.ReadAsStringAsync(Token)).Split(' ')[0];
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_PreferHttp2Off_StaysOnHttp11()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.PreferHttp2 = false);
        await env.StartAsync("orders", EchoAsync);
        Assert.Equal("HTTP/1.1 https orders /", await env.Client().GetStringAsync("http://orders/", Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_PeerWithoutHttp2_IsCalledOverHttp11()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", EchoAsync, HttpProtocols.Http1);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("HTTP/1.1 https orders /", await env.Client().GetStringAsync("http://orders/", Token));
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_HostHeaderSetByTheApp_IsKept()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", EchoAsync);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/") { Headers = { Host = "shop.example.test" } };
        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal("HTTP/2 https shop.example.test /", await response.Content.ReadAsStringAsync(Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_PlainInstance_IsCalledOnlyWhenAllowed()
    {
        await using var peer = await HttpPeer.StartAsync(EchoAsync);
        await using (var env = new MeshTestEnvironment())
        {
            env.List("orders", peer.Port, InstanceSecurity.Plaintext);
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
            Assert.Equal(MeshFailureReason.NoInstances, failure.Reason);
            Assert.Contains("Mesh:Destinations:orders:AllowPlaintext", failure.Message, StringComparison.Ordinal);
            Assert.Equal(0, peer.Connections);
        }

        await using (var env = new MeshTestEnvironment(options => options.Destinations["orders"] = new() { AllowPlaintext = true }))
        {
            env.List("orders", peer.Port, InstanceSecurity.Plaintext);
            Assert.Equal($"HTTP/1.1 http 127.0.0.1:{peer.Port} /x", await env.Client().GetStringAsync("http://orders/x", Token));
            Assert.Equal($"HTTP/1.1 http 127.0.0.1:{peer.Port} /y", await env.Client().GetStringAsync("https+http://orders/y", Token));
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("https://orders/", Token));
            Assert.Equal(MeshFailureReason.NoInstances, failure.Reason);
            Assert.Contains("scheme", failure.Message, StringComparison.Ordinal);
            // No identity was needed for any of it.
            Assert.Null(env.Identity.Current);
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_NamedEndpoint_LeadsThere()
    {
        await using var env = new MeshTestEnvironment();
        var main = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("main"), PeerTls.For(env.Authority, "orders")));
        var admin = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync($"admin {context.Request.Host}"), PeerTls.For(env.Authority, "orders")));
        env.ControlPlane.AddInstance(new ServiceInstance
        {
            Id = new InstanceId("orders-1"),
            Service = Orders,
            ExpectedService = Orders,
            Datacenter = "dc1",
            Endpoints =
            [
                new InstanceEndpoint(null, "127.0.0.1", main.Port, InstanceSecurity.Mesh),
                new InstanceEndpoint("admin", "127.0.0.1", admin.Port, InstanceSecurity.Mesh),
            ],
        });
        Assert.Equal("main", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal("admin orders", await env.Client().GetStringAsync("https://_admin.orders/", Token));
        Assert.Equal("admin orders", await env.Client().GetStringAsync("https+http://_Admin.orders/", Token));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("https://_other.orders/", Token));
        Assert.Contains("endpoint 'other'", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_CriticalInstance_IsLeftOutUntilItPasses()
    {
        await using var env = new MeshTestEnvironment();
        var first = await env.StartAsync("orders", EchoAsync);
        var second = await env.StartAsync("orders", EchoAsync);
        var id = new InstanceId($"orders-127.0.0.1-{first.Port}");
        env.ControlPlane.SetHealth(id, InstanceHealth.Critical);
        for (var i = 0; i < 20; i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        Assert.Equal((0, 20), (first.Requests, second.Requests));
        env.ControlPlane.SetHealth(id, InstanceHealth.Passing);
        await Eventually.HoldsAsync(() =>
            env.State("orders").Snapshot!.Instances.All(instance => instance.Health == InstanceHealth.Passing));
        for (var i = 0; i < 40; i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        Assert.InRange(first.Requests, 1, 40);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_SynchronousCall_IsRefusedWithAReason()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", EchoAsync);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        var failure = Assert.Throws<NotSupportedException>(() => env.Client().Send(request, Token));
        Assert.Contains("SendAsync", failure.Message, StringComparison.Ordinal);
    }

    private static Task EchoAsync(HttpContext context) => context.Response.WriteAsync(
        $"{context.Request.Protocol} {context.Request.Scheme} {context.Request.Host} {context.Request.Path}{context.Request.QueryString}",
        context.RequestAborted);

    private static int CountMeshHandlers(HttpMessageHandler? handler)
    {
        var count = 0;
        for (; handler is DelegatingHandler link; handler = link.InnerHandler)
        {
            count += link is MeshHandler ? 1 : 0;
        }

        return count;
    }

    internal sealed class TypedClient(HttpClient client)
    {
        public Task<string> GetAsync(CancellationToken cancellationToken) => client.GetStringAsync("typed", cancellationToken);
    }

    private sealed class OutsideHandler : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage { Content = new StringContent("outside") });
    }

    private sealed class Counting(Action count) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            count();
            return base.SendAsync(request, cancellationToken);
        }
    }
}
