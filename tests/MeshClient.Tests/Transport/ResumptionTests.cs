using System.Diagnostics.Tracing;
using System.Net.Security;
using System.Text;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using MeshClient.Transport;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Transport;

/// <summary>A server is judged in a resumed session as in a new one; and judging takes one chain on each side.</summary>
[Collection(nameof(ResumptionTests))]
[CollectionDefinition(nameof(ResumptionTests), DisableParallelization = true)]
public sealed class ResumptionTests : IDisposable
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    // Another authority of the same trust domain vouches for the servers: so it can lose its trust while we keep our certificate,
    // and with it our sessions.
    private readonly TestCertificateAuthority _servers = new();
    private readonly SharedBundle _bundles = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _servers.Dispose();

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(LeafSigner.ActiveRoot)]
    [InlineData(LeafSigner.Intermediate)]
    public async Task Connect_Again_ResumesAndRootGoneSinceIsRefused(LeafSigner signer)
    {
        var (env, _) = await StartAsync(LeafBlueprint.For(_servers.IdOf(Orders)) with { Signer = signer });
        await using var disposing = env;
        await ConnectAsync(env);
        Assert.True(await ConnectAsync(env));
        Assert.True(await ConnectAsync(env));

        _bundles.Set(env.Authority);
        await Eventually.HoldsAsync(() => env.Identity.Current!.Bundle.Roots.Count == 1);
        await Assert.ThrowsAsync<PeerIdentityException>(() => ConnectAsync(env));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connect_CertificateEndedSince_IsRefused()
    {
        var (env, peer) = await StartAsync(LeafBlueprint.For(_servers.IdOf(Orders)));
        await using var disposing = env;
        // Issued when all else is there: the next two connections have to be made before it ends.
        using var leaf = _servers.Issue(LeafBlueprint.For(_servers.IdOf(Orders)) with { ValidUntil = TimeSpan.FromSeconds(5) });
        peer.Tls!.Renew(leaf.ToLeaf());
        Assert.False(await ConnectAsync(env));
        Assert.True(await ConnectAsync(env));
        await Eventually.HoldsAsync(() => TimeProvider.System.GetUtcNow() > leaf.Certificate.NotAfter.ToUniversalTime() + TimeSpan.FromSeconds(1));
        var refusal = await Assert.ThrowsAsync<PeerIdentityException>(() => ConnectAsync(env));
        Assert.Contains("has ended", refusal.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connect_OwnCertificateRenewed_MakesANewSession()
    {
        var (env, peer) = await StartAsync(LeafBlueprint.For(_servers.IdOf(Orders)));
        await using var disposing = env;
        await ConnectAsync(env);
        Assert.True(await ConnectAsync(env));
        var before = env.Identity.Current!.Leaf;
        env.ControlPlane.RenewLeaves();
        await Eventually.HoldsAsync(() => !ReferenceEquals(before, env.Identity.Current!.Leaf));
        Assert.False(await ConnectAsync(env));
        Assert.Equal(env.Identity.Current!.Leaf.Certificate.SerialNumber, peer.Tls!.LastCallerSerial);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connect_NewOrResumed_BuildsOneChainOnEachSide()
    {
        const int Handshakes = 20;
        var (env, _) = await StartAsync(LeafBlueprint.For(_servers.IdOf(Orders)) with { Signer = LeafSigner.Intermediate });
        await using var disposing = env;
        await ConnectAsync(env);
        using var counter = new ChainCounter();
        for (var i = 0; i < Handshakes; i++)
        {
            Assert.True(await ConnectAsync(env));
        }

        Assert.Equal(2 * Handshakes, counter.Chains);
        for (var i = 0; i < Handshakes; i++)
        {
            // A new certificate of ours, so that nothing is resumed; its own chain is looked at once, when it comes.
            var before = env.Identity.Current!.Leaf;
            var builds = counter.Chains;
            env.ControlPlane.RenewLeaves();
            await Eventually.HoldsAsync(() => !ReferenceEquals(before, env.Identity.Current!.Leaf));
            Assert.InRange(counter.Chains - builds, 0, 1);
            builds = counter.Chains;
            Assert.False(await ConnectAsync(env));
            Assert.Equal(2, counter.Chains - builds);
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_InstanceOfAnotherTrustDomain_IsJudgedByItsOwnRootsOnly()
    {
        using var partner = new TestCertificateAuthority("partner.test");
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, partner.Bundle.Roots[0].ExportCertificatePem(), Token);
        await using var env = new MeshTestEnvironment(options => options.Identity.TrustDomains["Partner.test"] = new() { RootsFile = file });
        using var good = partner.Issue(LeafBlueprint.For(partner.IdOf(Orders)));
        using var ours = env.Authority.Issue(LeafBlueprint.For(partner.IdOf(Orders)));
        foreach (var leaf in (IssuedCertificate[])[good, ours])
        {
            var peer = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf)));
            var name = ServiceName.Parse(leaf == good ? "orders" : "impostor");
            var listed = env.ControlPlane.AddInstance(name, "127.0.0.1", peer.Port);
            env.ControlPlane.AddInstance(listed with { Identity = partner.IdOf(Orders) });
            if (leaf == good)
            {
                Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
            }
            else
            {
                var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("http://impostor/", Token));
                Assert.Contains("not issued under", failure.Message, StringComparison.Ordinal);
                Assert.Equal(0, peer.Requests);
            }
        }

        File.Delete(file);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_RootsOfAnotherTrustDomainCannotBeRead_SaysWhichAndWhy()
    {
        using var partner = new TestCertificateAuthority("partner.test");
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, partner.Bundle.Roots[0].ExportCertificatePem(), Token);
        await using var env = new MeshTestEnvironment(options => options.Identity.TrustDomains["partner.test"] = new() { RootsFile = file });
        using var leaf = partner.Issue(LeafBlueprint.For(partner.IdOf(Orders)));
        var peer = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf)));
        var listed = env.ControlPlane.AddInstance(Orders, "127.0.0.1", peer.Port);
        env.ControlPlane.AddInstance(listed with { Identity = partner.IdOf(Orders) });
        // Made, and its options found good, before anything is read.
        _ = env.Identity;
        File.Delete(file);

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("http://orders/", Token));

        Assert.Contains("Mesh:Identity:TrustDomains:partner.test", failure.Message, StringComparison.Ordinal);
        Assert.Contains(file, failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, peer.Requests);
    }

    private async Task<(MeshTestEnvironment Env, HttpPeer Peer)> StartAsync(LeafBlueprint blueprint)
    {
        var env = new MeshTestEnvironment(
            options => options.Identity.ClockAllowance = TimeSpan.Zero,
            services: services => services.AddSingleton<ITrustBundleSource>(_bundles));
        _bundles.Set(env.Authority, _servers);
        var leaf = _servers.Issue(blueprint);
        var peer = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf)));
        env.List("orders", peer.Port);
        await env.Client().GetStringAsync("http://orders/", Token);
        return (env, peer);
    }

    // A connection of its own, as a health check has; used, so that tickets for the next one arrive.
    private static async Task<bool> ConnectAsync(MeshTestEnvironment env)
    {
        var listed = env.ControlPlane.Instances(Orders).Instances[0];
        await using var stream = await env.Transports
            .CreateConnector(listed, listed.Endpoints[0], TimeSpan.FromSeconds(10), [SslApplicationProtocol.Http11]).ConnectAsync(Token);
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        Assert.StartsWith("HTTP/1.1 200", await reader.ReadToEndAsync(Token).BoundedAsync(), StringComparison.Ordinal);
        return TlsSession.IsResumed((SslStream)stream);
    }

    /// <summary>Counts the chains the platform builds.</summary>
    private sealed class ChainCounter : EventListener
    {
        private int _chains;

        public int Chains => Volatile.Read(ref _chains);

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "System.Security.Cryptography.X509Certificates.X509Chain.OpenSsl")
            {
                EnableEvents(eventSource, EventLevel.Verbose, EventKeywords.All);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventName == "ChainStart")
            {
                Interlocked.Increment(ref _chains);
            }
        }
    }
}
