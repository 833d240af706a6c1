using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>A caller made of nothing but the framework: a plain handler with a certificate.</summary>
internal static class MeshCaller
{
    public static HttpClient Create(
        InboundTestHost host, SslStreamCertificateContext? certificate, Action<X509Certificate2>? onServer = null)
    {
        var handler = new SocketsHttpHandler
        {
            SslOptions = TlsOptions(host.ControlPlane.Authority.Bundle, certificate, onServer),
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            ConnectTimeout = Eventually.Bound,
        };
        return new HttpClient(handler) { BaseAddress = host.MeshAddress, Timeout = Eventually.Bound };
    }

    public static SslClientAuthenticationOptions TlsOptions(
        TrustBundle bundle, SslStreamCertificateContext? certificate, Action<X509Certificate2>? onServer = null)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        foreach (var root in bundle.Roots)
        {
            policy.CustomTrustStore.Add(root);
        }

        return new SslClientAuthenticationOptions
        {
            TargetHost = "mesh",
            ClientCertificateContext = certificate,
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = (_, server, _, errors) =>
            {
                onServer?.Invoke((X509Certificate2)server!);
                return (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;
            },
        };
    }

    public static SslStreamCertificateContext ContextOf(LeafCertificate leaf) =>
        SslStreamCertificateContext.Create(leaf.Certificate, [.. leaf.Intermediates], offline: true);

    public static SslStreamCertificateContext ContextOf(IssuedCertificate issued) =>
        SslStreamCertificateContext.Create(issued.Certificate, [.. issued.Intermediates], offline: true);
}
