using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Testing.Tests;

/// <summary>The certificates in real handshakes, both sides proving themselves.</summary>
public sealed class TestCertificateAuthorityTlsTests : IDisposable
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly TestCertificateAuthority _authority = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _authority.Dispose();

    [Fact]
    public async Task Handshake_GoodLeaves_SucceedsAndShowsBothIds()
    {
        var (client, server) = (_authority.IssueLeaf(ServiceName.Parse("web")), _authority.IssueLeaf(Orders));

        var (seenByClient, seenByServer) = await HandshakeAsync(
            client.Certificate, client.Intermediates, server.Certificate, server.Intermediates, _authority.Bundle);

        Assert.Equal(server.Certificate.Thumbprint, seenByClient);
        Assert.Equal(client.Certificate.Thumbprint, seenByServer);
    }

    [Fact]
    public async Task Handshake_PeerKnowsOnlyTheOldRoot_SucceedsByTheCrossSignedOne()
    {
        var before = _authority.Bundle;
        var client = _authority.IssueLeaf(ServiceName.Parse("web"));
        _authority.Rotate();
        var server = _authority.IssueLeaf(Orders);

        var (seenByClient, _) = await HandshakeAsync(
            client.Certificate, client.Intermediates, server.Certificate, server.Intermediates, before);

        Assert.Equal(server.Certificate.Thumbprint, seenByClient);
    }

    [Theory]
    [InlineData(LeafFlaw.Expired)]
    [InlineData(LeafFlaw.NotYetValid)]
    [InlineData(LeafFlaw.ClientOnly)]
    [InlineData(LeafFlaw.SameNamedStranger)]
    [InlineData(LeafFlaw.SelfSigned)]
    [InlineData(LeafFlaw.MissingIntermediate)]
    public async Task Handshake_ServerWithFlawTheChainShows_Fails(LeafFlaw flaw)
    {
        var client = _authority.IssueLeaf(ServiceName.Parse("web"));
        using var server = _authority.IssueFlawed(Orders, flaw);

        await Assert.ThrowsAsync<AuthenticationException>(() => HandshakeAsync(
            client.Certificate, client.Intermediates, server.Certificate, server.Intermediates, _authority.Bundle));
    }

    [Theory]
    [InlineData(LeafFlaw.Expired)]
    [InlineData(LeafFlaw.ServerOnly)]
    [InlineData(LeafFlaw.SameNamedStranger)]
    public async Task Handshake_ClientWithFlawTheChainShows_Fails(LeafFlaw flaw)
    {
        var server = _authority.IssueLeaf(Orders);
        using var client = _authority.IssueFlawed(ServiceName.Parse("web"), flaw);

        await Assert.ThrowsAsync<AuthenticationException>(() => HandshakeAsync(
            client.Certificate, client.Intermediates, server.Certificate, server.Intermediates, _authority.Bundle));
    }

    private static async Task<(string? SeenByClient, string? SeenByServer)> HandshakeAsync(
        X509Certificate2 clientLeaf,
        IReadOnlyList<X509Certificate2> clientIntermediates,
        X509Certificate2 serverLeaf,
        IReadOnlyList<X509Certificate2> serverIntermediates,
        TrustBundle bundle)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var outgoing = new TcpClient();
        var accepting = listener.AcceptTcpClientAsync(Cancellation);
        await outgoing.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Cancellation);
        using var incoming = await accepting;
        await using var client = new SslStream(outgoing.GetStream());
        await using var server = new SslStream(incoming.GetStream());
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);

        var clientSide = client.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "orders",
                ClientCertificateContext = Context(clientLeaf, clientIntermediates),
                RemoteCertificateValidationCallback = OnlyTheNameMayBeWrong,
                CertificateChainPolicy = Policy(bundle, LeafBlueprint.ServerAuthentication),
            },
            bound.Token);
        var serverSide = server.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = Context(serverLeaf, serverIntermediates),
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = OnlyTheNameMayBeWrong,
                CertificateChainPolicy = Policy(bundle, LeafBlueprint.ClientAuthentication),
            },
            bound.Token);
        try
        {
            await clientSide;
            await serverSide;
            return (Thumbprint(client.RemoteCertificate), Thumbprint(server.RemoteCertificate));
        }
        finally
        {
            // The side that is still at it sees the other go.
            outgoing.Close();
            incoming.Close();
            await Task.WhenAll(clientSide, serverSide).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    private static string? Thumbprint(X509Certificate? certificate) => certificate?.GetCertHashString();

    // Mesh leaves name no host; all else has to be in order.
    private static bool OnlyTheNameMayBeWrong(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        certificate is not null && (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;

    private static SslStreamCertificateContext Context(X509Certificate2 leaf, IReadOnlyList<X509Certificate2> intermediates) =>
        SslStreamCertificateContext.Create(leaf, [.. intermediates], offline: true);

    private static X509ChainPolicy Policy(TrustBundle bundle, string usage)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(bundle.Roots.ToArray());
        policy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid(usage));
        return policy;
    }
}
