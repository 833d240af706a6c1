using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Calls to hosts the mesh does not know, and to services of the app's own configuration.</summary>
public sealed class OutsideTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_AddressWithPort_PassesThroughUntouched()
    {
        await using var env = new MeshTestEnvironment();
        await using var peer = await HttpPeer.StartAsync(context => context.Response.WriteAsync(
            $"{context.Request.Protocol} {context.Request.Host} {context.Request.Path}"));
        using var response = await env.Client().GetAsync($"http://127.0.0.1:{peer.Port}/x", Token);
        Assert.Equal($"HTTP/1.1 127.0.0.1:{peer.Port} /x", await response.Content.ReadAsStringAsync(Token));
        Assert.DoesNotContain("Tracked", response.Content.GetType().Name, StringComparison.Ordinal);
        using var sync = env.Client().Send(new HttpRequestMessage(HttpMethod.Get, peer.Address), Token);
        Assert.True(sync.IsSuccessStatusCode);
        Assert.Empty(env.Destinations.Services);
        Assert.Null(env.Identity.Current);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("http://nosuchservice/", 1)]
    [InlineData("http://www.example.test/", 0)]
    [InlineData("http://10.1.2.3/", 0)]
    [InlineData("http://[::1]/", 0)]
    [InlineData("http://localhost/", 0)]
    [InlineData("http://orders:8080/", 0)]
    [InlineData("https://orders:80/", 0)]
    [InlineData("ftp://orders/", 0)]
    public async Task SendAsync_HostThatIsNoService_ReachesTheInnerHandlerAsItIs(string address, int reads)
    {
        await using var env = new MeshTestEnvironment();
        var inner = new Inner();
        using var client = new HttpMessageInvoker(env.Handlers.Create(inner));
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new StringContent("x") };
        using var response = await client.SendAsync(request, Token);
        Assert.Same(request, inner.Request);
        Assert.Equal(address, inner.Address);
        Assert.Equal(System.Net.HttpVersion.Version11, request.Version);
        Assert.Equal(reads, env.ControlPlane.InstanceReads(ServiceName.Parse("nosuchservice")) > 0 ? 1 : 0);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("http://127.0.0.1:1/")]
    [InlineData("http://nosuchservice/")]
    [InlineData("http://www.example.test/")]
    public async Task SendAsync_MeshOnly_IsRefused(string address)
    {
        await using var env = new MeshTestEnvironment(options => options.OutboundTraffic = OutboundTrafficPolicy.MeshOnly);
        var inner = new Inner();
        using var client = new HttpMessageInvoker(env.Handlers.Create(inner));
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => client.SendAsync(request, Token));
        Assert.Equal(MeshFailureReason.OutsideMesh, failure.Reason);
        Assert.Equal(request.RequestUri!.Host, failure.Service);
        Assert.Contains("Mesh:OutboundTraffic", failure.Message, StringComparison.Ordinal);
        Assert.Null(inner.Request);
    }

    [Fact]
    public async Task Send_MeshOnly_IsRefusedToo()
    {
        await using var env = new MeshTestEnvironment(options => options.OutboundTraffic = OutboundTrafficPolicy.MeshOnly);
        var inner = new Inner();
        using var client = new HttpMessageInvoker(env.Handlers.Create(inner));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://127.0.0.1:1/");
        var failure = Assert.Throws<MeshCallException>(() => client.Send(request, Token));
        Assert.Equal(MeshFailureReason.OutsideMesh, failure.Reason);
        Assert.Null(inner.Request);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_MeshSchemeToUnknownService_SaysThatThereIsNone()
    {
        await using var env = new MeshTestEnvironment();
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("https+http://nosuchservice/", Token));
        Assert.Equal(MeshFailureReason.NoInstances, failure.Reason);
        Assert.Contains("section Services", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ServiceThatLostAllInstances_IsNotSentElsewhere()
    {
        await using var env = new MeshTestEnvironment();
        var inner = new Inner();
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        using var client = new HttpClient(env.Handlers.Create(inner));
        await client.GetStringAsync("http://orders/", Token);
        await env.LoseAllInstancesAsync("orders");
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => client.GetStringAsync("http://orders/", Token));
        Assert.Equal(MeshFailureReason.NoInstances, failure.Reason);
        Assert.Null(inner.Request);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_NameWithDots_IsAServiceOnlyWhenTheAppSaysSo()
    {
        await using var env = new MeshTestEnvironment(options => options.Destinations["shop.orders"] = new());
        await env.StartAsync("shop.orders", context => context.Response.WriteAsync("mesh"));
        await env.StartAsync("shop.payments", context => context.Response.WriteAsync("mesh"));
        var inner = new Inner();
        using var client = new HttpClient(env.Handlers.Create(inner));
        Assert.Equal("mesh", await client.GetStringAsync("http://shop.orders/", Token));
        Assert.Null(inner.Request);
        await client.GetStringAsync("http://shop.payments/", Token);
        Assert.NotNull(inner.Request);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ServicesSectionWithoutControlPlane_Works()
    {
        await using var http = await HttpPeer.StartAsync(context => context.Response.WriteAsync($"{context.Request.Host} {context.Request.Path}"));
        await using var env = new MeshTestEnvironment(
            options => options.Service = null,
            new Dictionary<string, string?>
            {
                ["Services:orders:http:0"] = $"http://127.0.0.1:{http.Port}",
                ["Services:orders:admin:0"] = $"http://localhost:{http.Port}",
                ["Services:shop.orders:0"] = $"127.0.0.1:{http.Port}",
            },
            withControlPlane: false);
        Assert.Equal($"127.0.0.1:{http.Port} /a", await env.Client().GetStringAsync("http://orders/a", Token));
        Assert.Equal($"127.0.0.1:{http.Port} /a", await env.Client().GetStringAsync("https+http://orders/a", Token));
        Assert.Equal($"localhost:{http.Port} /b", await env.Client().GetStringAsync("http://_admin.orders/b", Token));
        Assert.Equal($"127.0.0.1:{http.Port} /c", await env.Client().GetStringAsync("http+https://shop.orders/c", Token));
        await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("https+http://payments/", Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ServicesSectionAndRegistry_ConfigurationWins()
    {
        await using var local = await HttpPeer.StartAsync(context => context.Response.WriteAsync("local"));
        await using var env = new MeshTestEnvironment(configuration: new Dictionary<string, string?>
        {
            ["Services:orders:0"] = $"http://127.0.0.1:{local.Port}",
        });
        await env.StartAsync("orders", context => context.Response.WriteAsync("mesh"));
        Assert.Equal("local", await env.Client().GetStringAsync("http://orders/", Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_BadAddressInServicesSection_NamesTheKey()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(
            configuration: new Dictionary<string, string?> { ["Services:orders:http:0"] = "ftp://host:1" },
            services: services => services.AddSingleton<TimeProvider>(time),
            withControlPlane: false);
        var call = env.Client().GetStringAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => env.State("orders").DiscoveryFailure is not null);
        time.Advance(MeshDefaults.DiscoveryTimeout);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal(MeshFailureReason.DiscoveryFailed, failure.Reason);
        Assert.Contains("Services:orders:http:0", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RegistryNeverUp_FailsAfterTheDiscoveryTimeoutAndSaysWhy()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(
            options => options.DiscoveryTimeout = TimeSpan.FromSeconds(3), services: services => services.AddSingleton<TimeProvider>(time));
        env.ControlPlane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "connection refused by 127.0.0.1:8500"));
        var call = env.Client().GetStringAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => env.State("orders").DiscoveryFailure is not null);
        time.Advance(TimeSpan.FromSeconds(3) - TimeSpan.FromTicks(1));
        Assert.False(call.IsCompleted);
        time.Advance(TimeSpan.FromTicks(1));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal((MeshFailureReason.DiscoveryFailed, "Discovery", "orders", 0), (failure.Reason, failure.Stage, failure.Service, failure.Attempts));
        Assert.Contains("Mesh:DiscoveryTimeout", failure.Message, StringComparison.Ordinal);
        Assert.Contains("connection refused by 127.0.0.1:8500", failure.Message, StringComparison.Ordinal);
        Assert.Equal(HttpRequestError.NameResolutionError, failure.HttpRequestError);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RegistryThatHangs_IsNeverTakenForAnUnknownService()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        var inner = new Inner();
        using var client = new HttpClient(env.Handlers.Create(inner));
        env.ControlPlane.Stall();
        var call = client.GetStringAsync("http://orders/", Token);
        await env.ControlPlane.WaitForParkedCallsAsync(1, cancellationToken: Token);
        time.Advance(MeshDefaults.DiscoveryTimeout);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal(MeshFailureReason.DiscoveryFailed, failure.Reason);
        Assert.Null(inner.Request);
        await env.StartAsync("orders", context => context.Response.WriteAsync("mesh"));
        env.ControlPlane.Release();
        Assert.Equal("mesh", await client.GetStringAsync("http://orders/", Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RegistryRefuses_FailsAtOnce()
    {
        await using var env = new MeshTestEnvironment(options => options.DiscoveryTimeout = TimeSpan.FromMinutes(4));
        env.ControlPlane.FailWith(new ControlPlaneException(ControlPlaneFailure.Forbidden, "token has no right to read orders"));
        var failure = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().GetStringAsync("http://orders/", Token).BoundedAsync());
        Assert.Equal(MeshFailureReason.DiscoveryFailed, failure.Reason);
        Assert.Contains("token has no right to read orders", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_CallerGivesUpOnDiscovery_IsACancellation()
    {
        await using var env = new MeshTestEnvironment();
        env.ControlPlane.Stall();
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var call = env.Client().GetStringAsync("http://orders/", caller.Token);
        await env.ControlPlane.WaitForParkedCallsAsync(1, cancellationToken: Token);
        await caller.CancelAsync();
        var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(call.BoundedAsync);
        Assert.Equal(caller.Token, cancelled.CancellationToken);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RegistryFailsAfterStart_CallsGoOn()
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        env.ControlPlane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unavailable, "no leader"));
        await Eventually.HoldsAsync(() => env.State("orders").DiscoveryFailure is not null);
        for (var i = 0; i < 50; i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
            await env.Client().GetStringAsync("https://orders/", Token);
        }

        Assert.Equal(101, peer.Requests);
        env.ControlPlane.FailWith(null);
        await Eventually.HoldsAsync(() => env.State("orders").DiscoveryFailure is null, "recovery");
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_NoServiceNameSet_TellsWhatToSet()
    {
        await using var env = new MeshTestEnvironment(options => options.Service = null);
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal((MeshFailureReason.NoIdentity, "Identity"), (failure.Reason, failure.Stage));
        Assert.Contains("Mesh:Service", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Mesh:ControlPlane:Address", failure.Message, StringComparison.Ordinal);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(ControlPlaneFailure.Unavailable, "Mesh:DiscoveryTimeout")]
    [InlineData(ControlPlaneFailure.Forbidden, "no CA for you")]
    public async Task SendAsync_NoCertificateIssued_TellsWhy(ControlPlaneFailure kind, string expected)
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services =>
        {
            services.AddSingleton<TimeProvider>(time);
            services.AddSingleton<ILeafCertificateSource>(new NoLeaves(kind));
        });
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        var call = env.Client().GetStringAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => env.Identity.LastFailure is not null);
        if (kind == ControlPlaneFailure.Unavailable)
        {
            time.Advance(MeshDefaults.DiscoveryTimeout);
        }

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal(MeshFailureReason.NoIdentity, failure.Reason);
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Contains("no CA for you", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Sweep_ServiceNotCalledForAWhile_IsWatchedNoMoreAndComesBackWithACall()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        time.Advance(MeshDefaults.WatchIdleTimeout / 2);
        Assert.Single(env.Destinations.Services);
        time.Advance(MeshDefaults.WatchIdleTimeout);
        Assert.Empty(env.Destinations.Services);
        Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
    }

    private sealed class NoLeaves(ControlPlaneFailure failure) : ILeafCertificateSource
    {
        public Task<Watched<Core.Identity.LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken) =>
            throw new ControlPlaneException(failure, "no CA for you");
    }

    private sealed class Inner : HttpMessageHandler
    {
        public HttpRequestMessage? Request { get; private set; }

        public string? Address { get; private set; }

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Request = request;
            Address = request.RequestUri!.OriginalString;
            return new HttpResponseMessage();
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(Send(request, cancellationToken));
    }
}
