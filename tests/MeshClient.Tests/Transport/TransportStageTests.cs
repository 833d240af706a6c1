using System.Collections.Concurrent;
using System.Net;
using MeshClient.Core.Discovery;
using MeshClient.Outbound;
using MeshClient.Tests.Support;
using static System.Net.Http.HttpVersionPolicy;

namespace MeshClient.Tests.Transport;

public sealed class TransportStageTests
{
    private const int Port = 9;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(InstanceSecurity.Mesh, "1.1", RequestVersionOrLower, false, "2.0", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Mesh, "1.1", RequestVersionOrLower, true, "1.1", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Mesh, "1.1", RequestVersionOrHigher, false, "2.0", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Mesh, "1.1", RequestVersionOrHigher, true, "1.1", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Mesh, "1.1", RequestVersionExact, false, "1.1", RequestVersionExact)]
    [InlineData(InstanceSecurity.Mesh, "2.0", RequestVersionOrHigher, false, "2.0", RequestVersionExact)]
    [InlineData(InstanceSecurity.Mesh, "2.0", RequestVersionExact, false, "2.0", RequestVersionExact)]
    [InlineData(InstanceSecurity.Mesh, "3.0", RequestVersionOrLower, false, "2.0", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Mesh, "3.0", RequestVersionOrLower, true, "1.1", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Tls, "1.1", RequestVersionOrLower, false, "1.1", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Tls, "1.1", RequestVersionOrHigher, false, "2.0", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Tls, "3.0", RequestVersionOrLower, false, "2.0", RequestVersionOrLower)]
    [InlineData(InstanceSecurity.Plaintext, "2.0", RequestVersionOrHigher, false, "2.0", RequestVersionExact)]
    [InlineData(InstanceSecurity.Plaintext, "2.0", RequestVersionExact, false, "2.0", RequestVersionExact)]
    public async Task SendAsync_AnyVersion_NeverLeavesHttp3Open(
        InstanceSecurity security, string version, HttpVersionPolicy policy, bool isUpgrade, string sent, HttpVersionPolicy sentPolicy)
    {
        var stub = new Recorder();
        await using var env = Environment(stub, security);
        using var response = await SendAsync(env, security, version, policy, isUpgrade);
        Assert.Equal((Version.Parse(sent), sentPolicy), Assert.Single(stub.Seen));
    }

    // Whatever its proxy agrees on: what the service speaks is known by the request or by the settings, or taken to be HTTP/1.1.
    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(null, "1.1", RequestVersionOrLower, false, "1.1", RequestVersionOrLower, "https://orders/")]
    [InlineData(null, "1.1", RequestVersionOrHigher, false, "1.1", RequestVersionOrLower, "https://orders/")]
    [InlineData(null, "2.0", RequestVersionOrLower, false, "1.1", RequestVersionOrLower, "https://orders/")]
    [InlineData(null, "2.0", RequestVersionOrHigher, false, "2.0", RequestVersionExact, "http://orders/")]
    [InlineData(null, "2.0", RequestVersionExact, false, "2.0", RequestVersionExact, "http://orders/")]
    [InlineData(null, "3.0", RequestVersionOrLower, false, "1.1", RequestVersionOrLower, "https://orders/")]
    [InlineData(true, "1.1", RequestVersionOrLower, false, "2.0", RequestVersionExact, "http://orders/")]
    [InlineData(true, "1.1", RequestVersionOrLower, true, "1.1", RequestVersionOrLower, "https://orders/")]
    [InlineData(true, "1.1", RequestVersionExact, false, "1.1", RequestVersionExact, "https://orders/")]
    [InlineData(true, "2.0", RequestVersionOrLower, false, "2.0", RequestVersionExact, "http://orders/")]
    [InlineData(false, "1.1", RequestVersionOrLower, false, "1.1", RequestVersionOrLower, "https://orders/")]
    [InlineData(false, "2.0", RequestVersionExact, false, "2.0", RequestVersionExact, "http://orders/")]
    public async Task SendAsync_BehindAProxy_NegotiatesNothing(
        bool? prefersHttp2, string version, HttpVersionPolicy policy, bool isUpgrade, string sent, HttpVersionPolicy sentPolicy, string address)
    {
        var stub = new Recorder();
        await using var env = Environment(stub, InstanceSecurity.Mesh, prefersHttp2, isBehindProxy: true);
        using var response = await SendAsync(env, InstanceSecurity.Mesh, version, policy, isUpgrade);
        Assert.Equal((Version.Parse(sent), sentPolicy), Assert.Single(stub.Seen));
        Assert.Equal(address, Assert.Single(stub.Addresses));
        Assert.Equal("http://orders/", response.RequestMessage?.RequestUri?.AbsoluteUri);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(InstanceSecurity.Mesh, RequestVersionExact)]
    [InlineData(InstanceSecurity.Mesh, RequestVersionOrHigher)]
    [InlineData(InstanceSecurity.Tls, RequestVersionExact)]
    [InlineData(InstanceSecurity.Tls, RequestVersionOrHigher)]
    public async Task SendAsync_Http3Demanded_IsRefusedUnsentAndNotHeldAgainstTheInstance(InstanceSecurity security, HttpVersionPolicy policy)
    {
        var stub = new Recorder();
        await using var env = Environment(stub, security);
        for (var i = 0; i < 20; i++)
        {
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => SendAsync(env, security, "3.0", policy));
            Assert.Equal((MeshFailureReason.Unsupported, "Transport", 1), (failure.Reason, failure.Stage, failure.Attempts));
            Assert.Contains("HTTP/3.0", failure.Message, StringComparison.Ordinal);
        }

        Assert.Empty(stub.Seen);
        Assert.Equal(0, env.State("orders").Health.Ejected);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RequestThatCannotBeChanged_LeavesThePoolUnused()
    {
        await using var env = Environment(new Recorder(), InstanceSecurity.Mesh);
        (await SendAsync(env, InstanceSecurity.Mesh, "1.1", RequestVersionOrLower)).Dispose();
        var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        request.Dispose();
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        await Assert.ThrowsAnyAsync<Exception>(() => invoker.SendAsync(request, MeshTestEnvironment.Token));
        var pool = env.Instance("orders", Port).Transport.Acquire();
        Assert.Equal(2, pool.Users);
        pool.Release();
    }

    private static MeshTestEnvironment Environment(
        Recorder stub, InstanceSecurity security, bool? prefersHttp2 = null, bool isBehindProxy = false)
    {
        var env = new MeshTestEnvironment(
            mesh =>
            {
                mesh.Defaults.AllowPlaintext = true;
                mesh.Defaults.PreferHttp2 = prefersHttp2;
            },
            services: services => services.AddTransports(_ => stub));
        // Two, so that one may be ejected.
        foreach (var port in new[] { Port, Port + 1 })
        {
            env.ControlPlane.AddInstance(env.List("orders", port, security) with { IsBehindProxy = isBehindProxy });
        }

        return env;
    }

    private static async Task<HttpResponseMessage> SendAsync(
        MeshTestEnvironment env, InstanceSecurity security, string version, HttpVersionPolicy policy, bool isUpgrade = false)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, security == InstanceSecurity.Tls ? "https://orders/" : "http://orders/")
        {
            Version = Version.Parse(version),
            VersionPolicy = policy,
        };
        if (isUpgrade)
        {
            request.Headers.Add("Upgrade", "websocket");
        }

        return await env.Client().SendAsync(request, MeshTestEnvironment.Token).BoundedAsync();
    }

    private sealed class Recorder : HttpMessageHandler
    {
        public ConcurrentQueue<(Version Version, HttpVersionPolicy Policy)> Seen { get; } = new();

        public ConcurrentQueue<string> Addresses { get; } = new();

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Seen.Enqueue((request.Version, request.VersionPolicy));
            Addresses.Enqueue(request.RequestUri!.AbsoluteUri);
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request });
        }
    }
}
