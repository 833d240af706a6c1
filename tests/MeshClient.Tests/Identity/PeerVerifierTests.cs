using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Testing;

namespace MeshClient.Tests.Identity;

public sealed class PeerVerifierTests
{
    // The runtime says that the chain is bad, and the chain does not say why: that is no matter of clocks.
    [Fact]
    public void Verify_ChainIsBadForNoReasonGiven_IsRefused()
    {
        using var authority = new TestCertificateAuthority();
        using var own = authority.IssueLeaf(ServiceName.Parse("web"));
        using var peer = authority.IssueLeaf(ServiceName.Parse("orders"));
        var identity = new IdentitySnapshot(own, IdentitySnapshot.ContextOf(own), authority.Bundle, [], new KnownIntermediates());
        using var chain = new X509Chain { ChainPolicy = identity.ClientChainPolicy() };
        Assert.True(chain.Build(peer.Certificate));

        Assert.NotNull(Verify(SslPolicyErrors.RemoteCertificateNameMismatch, out _));
        Assert.Null(Verify(SslPolicyErrors.RemoteCertificateChainErrors, out var refusal));
        Assert.Equal("untrusted", refusal!.Reason);

        VerifiedPeer? Verify(SslPolicyErrors errors, out PeerRefusal? refusal) => PeerVerifier.Verify(
            peer.Certificate, chain, errors, identity, TimeSpan.FromSeconds(30), TimeProvider.System.GetUtcNow(), out refusal);
    }
}
