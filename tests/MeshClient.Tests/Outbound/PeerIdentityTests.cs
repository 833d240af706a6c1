using System.Net;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Outbound;

/// <summary>An instance that cannot prove to be the service gets no request, and the call is made elsewhere.</summary>
public sealed class PeerIdentityTests
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_NobodyKnowsTheDatacenter_FailsInsteadOfGuessing()
    {
        using var leaves = new AgentLeaves();
        await using var env = new MeshTestEnvironment(
            services: services => services.AddSingleton<ILeafCertificateSource>(leaves));
        leaves.Authority = env.Authority;
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync("real"));
        env.ControlPlane.SetInstances(Orders, env.ControlPlane.Instances(Orders).Instances[0] with { Datacenter = string.Empty });

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));

        Assert.Equal(MeshFailureReason.ConnectFailed, failure.Reason);
        Assert.Contains("has no datacenter", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, peer.Requests);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(LeafFlaw.Expired)]
    [InlineData(LeafFlaw.NotYetValid)]
    [InlineData(LeafFlaw.NoName)]
    [InlineData(LeafFlaw.HostNameOnly)]
    [InlineData(LeafFlaw.TwoUriNames)]
    [InlineData(LeafFlaw.WebAddress)]
    [InlineData(LeafFlaw.TrustDomainOnly)]
    [InlineData(LeafFlaw.OtherTrustDomain)]
    [InlineData(LeafFlaw.OtherService)]
    [InlineData(LeafFlaw.OtherDatacenter)]
    [InlineData(LeafFlaw.DotSegments)]
    [InlineData(LeafFlaw.EncodedSlash)]
    [InlineData(LeafFlaw.TrailingSlash)]
    [InlineData(LeafFlaw.Authority)]
    [InlineData(LeafFlaw.ClientOnly)]
    [InlineData(LeafFlaw.NoDigitalSignature)]
    [InlineData(LeafFlaw.SignsCertificates)]
    [InlineData(LeafFlaw.SameNamedStranger)]
    [InlineData(LeafFlaw.SelfSigned)]
    [InlineData(LeafFlaw.MissingIntermediate)]
    public async Task SendAsync_PeerWithFlawedLeaf_IsRefusedAndTheCallIsHealed(LeafFlaw flaw)
    {
        await using var env = new MeshTestEnvironment();
        using var leaf = env.Authority.IssueFlawed(Orders, flaw);
        await using var impostor = await HttpPeer.StartAsync(context => context.Response.WriteAsync("impostor"), PeerTls.For(env.Authority, leaf));
        var listed = env.List("orders", impostor.Port);

        var failure = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().PostAsync("http://orders/", new StringContent("secret"), Token));

        Assert.Equal((MeshFailureReason.PeerRefused, "Transport", "orders", 3), (failure.Reason, failure.Stage, failure.Service, failure.Attempts));
        Assert.Equal(HttpRequestError.SecureConnectionError, failure.HttpRequestError);
        Assert.Equal(listed.Id.Value, failure.Instance);
        Assert.Contains(env.Authority.IdOf(Orders).ToString(), failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, impostor.Requests);
        var refusals = env.Logs.Lines.Where(line => line is { Event.Id: 20, Level: LogLevel.Warning }).ToList();
        Assert.Equal(impostor.Connections, refusals.Count);
        Assert.Equal(3, refusals.Count);
        Assert.Contains(listed.Id.Value, refusals[0].Text, StringComparison.Ordinal);

        await env.StartAsync("orders", context => context.Response.WriteAsync("real"));
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.Count == 2);
        for (var i = 0; i < 5; i++)
        {
            using var response = await env.Client().PostAsync("http://orders/", new StringContent("secret"), Token);
            Assert.Equal("real", await response.Content.ReadAsStringAsync(Token));
        }

        Assert.Equal(0, impostor.Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_PeerOfAnotherAuthorityWithTheSameNames_IsRefused()
    {
        await using var env = new MeshTestEnvironment();
        using var stranger = new TestCertificateAuthority();
        var leaf = stranger.IssueLeaf(Orders);
        await using var impostor = await HttpPeer.StartAsync(
            context => context.Response.WriteAsync("impostor"), new PeerTls(env.Authority, leaf.Certificate, leaf.Intermediates));
        env.List("orders", impostor.Port);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal(MeshFailureReason.PeerRefused, failure.Reason);
        Assert.Equal(0, impostor.Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_LeafUnderAnIntermediateThatIsSentAlong_IsAccepted()
    {
        await using var env = new MeshTestEnvironment();
        using var leaf = env.Authority.Issue(LeafBlueprint.For(env.Authority.IdOf(Orders)) with { Signer = LeafSigner.Intermediate });
        await using var peer = await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf));
        env.List("orders", peer.Port);
        Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ServerOnlyLeaf_IsAccepted()
    {
        await using var env = new MeshTestEnvironment();
        using var leaf = env.Authority.IssueFlawed(Orders, LeafFlaw.ServerOnly);
        await using var peer = await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf));
        env.List("orders", peer.Port);
        Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ExpectedIdentityChanges_OldConnectionsAreNotUsed()
    {
        // The registry now says that another service, or another datacenter, answers at this address.
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        var listed = env.ControlPlane.Instances(Orders).Instances[0];
        foreach (var changed in new[]
        {
            listed with { ExpectedService = ServiceName.Parse("payments") },
            listed with { Datacenter = "dc2" },
            listed with { Identity = env.Authority.IdOf(ServiceName.Parse("other")) },
        })
        {
            env.ControlPlane.AddInstance(changed);
            await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances[0] == changed);
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("http://orders/", Token));
            Assert.Equal(MeshFailureReason.PeerRefused, failure.Reason);
        }

        env.ControlPlane.AddInstance(listed);
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances[0] == listed);
        Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(2, peer.Requests);
        Assert.Equal(1, env.Transports.LiveTransports);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ServerThatRefusesUs_IsAFailureNotAHang()
    {
        await using var env = new MeshTestEnvironment();
        using var stranger = new TestCertificateAuthority();
        // Its own leaf is of the mesh, the callers it trusts are not.
        var leaf = env.Authority.IssueLeaf(Orders);
        await using var peer = await HttpPeer.StartAsync(
            context => context.Response.WriteAsync("x"), new PeerTls(stranger, leaf.Certificate, leaf.Intermediates));
        env.List("orders", peer.Port);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token).BoundedAsync());
        Assert.Contains(failure.Reason, (MeshFailureReason[])[MeshFailureReason.TransportFailed, MeshFailureReason.ConnectFailed]);
        Assert.Equal(0, peer.Requests);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public async Task SendAsync_RenewalUnderLoad_FailsNoCallAndClosesOldConnections(bool roots, bool crossSign)
    {
        await using var env = new MeshTestEnvironment(options => options.RotationSpread = TimeSpan.FromMilliseconds(50));
        var peers = new[]
        {
            await env.StartAsync("orders", context => context.Response.WriteAsync("x")),
            await env.StartAsync("orders", context => context.Response.WriteAsync("x")),
        };
        await env.Client().GetStringAsync("http://orders/", Token);
        await using var load = Load.Start(4, async token =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Content = new StringContent("x") };
            using var response = await env.Client().SendAsync(request, token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        });
        await load.MakeAsync(50);
        for (var round = 0; round < 3; round++)
        {
            var before = env.Identity.Current!.Leaf.Certificate.SerialNumber;
            if (roots)
            {
                env.ControlPlane.RotateRoots(crossSign);
            }
            else
            {
                env.ControlPlane.RenewLeaves();
            }

            await Eventually.HoldsAsync(
                () => env.Identity.Current!.Leaf.Certificate.SerialNumber != before
                    && env.Identity.Current.Bundle.Roots.Count == env.Authority.Bundle.Roots.Count,
                "the renewal");
            var renewed = env.Identity.Current!.Leaf.Certificate.SerialNumber;
            foreach (var peer in peers)
            {
                peer.Tls!.Renew(env.Authority.IssueLeaf(Orders));
            }

            await Eventually.HoldsAsync(() => Array.TrueForAll(peers, peer => peer.Tls!.LastCallerSerial == renewed), "connections with the new leaf");
            await load.MakeAsync(50);
        }

        var made = await load.StopAsync();
        Assert.InRange(made, 200, int.MaxValue);
        await Eventually.HoldsAsync(() => peers.Sum(peer => peer.OpenConnections) <= 4, "old connections to close");
        Assert.Equal(2, env.Transports.LiveTransports);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_InstanceKilledUnderLoad_IdempotentCallsDoNotFail()
    {
        await using var env = new MeshTestEnvironment();
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 3; i++)
        {
            peers.Add(await env.StartAsync("orders", context => context.Response.WriteAsync("x")));
        }

        await env.Client().GetStringAsync("http://orders/", Token);
        await using var load = Load.Start(6, async token => Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", token)));
        await load.MakeAsync(100);
        await peers[0].KillAsync();
        await load.MakeAsync(200);
        var rest = peers[1].Requests;
        env.ControlPlane.RemoveInstance(new InstanceId($"orders-127.0.0.1-{peers[0].Port}"));
        await load.MakeAsync(100);
        await load.StopAsync();
        Assert.True(peers[1].Requests > rest);
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_InstanceRemovedWithCallsInFlight_TheyEndInPeace()
    {
        await using var env = new MeshTestEnvironment();
        await using var held = await HeldCall.StartAsync(env);
        await env.StartAsync("orders", context => context.Response.WriteAsync("other"));
        env.ControlPlane.RemoveInstance(new InstanceId($"orders-127.0.0.1-{held.Peer.Port}"));
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances is [var only] && only.Endpoints[0].Port != held.Peer.Port);
        Assert.Equal("other", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal("a", await held.EndAsync());
        await Eventually.HoldsAsync(() => held.Peer.OpenConnections == 0, "its connection to close");
    }

    /// <summary>Issues a certificate of the mesh that is no service's, and so names no datacenter.</summary>
    private sealed class AgentLeaves : ILeafCertificateSource, IDisposable
    {
        private readonly TaskCompletionSource<Watched<LeafCertificate>> _never = new();

        public TestCertificateAuthority Authority { get; set; } = null!;

        public Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken) => index == 0
            ? Task.FromResult(new Watched<LeafCertificate>(
                Authority.Issue(LeafBlueprint.For(SpiffeId.Parse($"spiffe://{Authority.TrustDomain}/agent/web"))).ToLeaf(), 1))
            : _never.Task.WaitAsync(cancellationToken);

        public void Dispose() => _never.TrySetCanceled();
    }
}
