using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.Tests.Support;

/// <summary>
/// How a server of a test does mutual TLS: its own leaf, and callers only with a leaf under the authority's roots. Written by
/// hand, so that the client is not judged by code it shares.
/// </summary>
internal sealed class PeerTls
{
    private readonly TestCertificateAuthority _authority;
    private volatile SslStreamCertificateContext _context;
    private volatile SpiffeId? _lastCaller;
    private volatile string? _lastCallerSerial;
    private SslProtocols _protocols;
    private bool _isForAnybody;
    private int _handshakes;

    public PeerTls(TestCertificateAuthority authority, X509Certificate2 certificate, IReadOnlyList<X509Certificate2> intermediates)
    {
        _authority = authority;
        _context = SslStreamCertificateContext.Create(certificate, [.. intermediates], offline: true);
    }

    /// <summary>Who made the latest connection that was accepted.</summary>
    public SpiffeId? LastCaller => _lastCaller;

    /// <summary>The serial number of the certificate it was made with.</summary>
    public string? LastCallerSerial => _lastCallerSerial;

    /// <summary>How many connections were accepted.</summary>
    public int Handshakes => Volatile.Read(ref _handshakes);

    public static PeerTls For(TestCertificateAuthority authority, string service)
    {
        var leaf = authority.IssueLeaf(ServiceName.Parse(service));
        return new PeerTls(authority, leaf.Certificate, leaf.Intermediates);
    }

    public static PeerTls For(TestCertificateAuthority authority, IssuedCertificate leaf) =>
        new(authority, leaf.Certificate, leaf.Intermediates);

    /// <summary>Takes one version of TLS only.</summary>
    public PeerTls Only(SslProtocols protocol)
    {
        _protocols = protocol;
        return this;
    }

    /// <summary>Asks callers for no certificate, as a server outside the mesh.</summary>
    public PeerTls ForAnybody()
    {
        _isForAnybody = true;
        return this;
    }

    /// <summary>Shows another leaf from the next connection on.</summary>
    public void Renew(LeafCertificate leaf) =>
        _context = SslStreamCertificateContext.Create(leaf.Certificate, [.. leaf.Intermediates], offline: true);

    public SslServerAuthenticationOptions Options(params SslApplicationProtocol[] protocols)
    {
        if (_isForAnybody)
        {
            return new SslServerAuthenticationOptions { ServerCertificateContext = _context, ApplicationProtocols = [.. protocols] };
        }

        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(new Oid(LeafBlueprint.ClientAuthentication));
        foreach (var root in _authority.Bundle.Roots)
        {
            policy.CustomTrustStore.Add(root);
        }

        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = _context,
            ClientCertificateRequired = true,
            EnabledSslProtocols = _protocols,
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = Accept,
            ApplicationProtocols = protocols.Length == 0 ? null : [.. protocols],
        };
    }

    private bool Accept(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors != SslPolicyErrors.None || certificate is not X509Certificate2 leaf
            || !SpiffeCertificate.TryReadId(leaf, out var id, out _))
        {
            return false;
        }

        _lastCaller = id;
        _lastCallerSerial = leaf.SerialNumber;
        Interlocked.Increment(ref _handshakes);
        return true;
    }
}
