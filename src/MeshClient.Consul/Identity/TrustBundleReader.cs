using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Consul.Model;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using Microsoft.Extensions.Logging;

namespace MeshClient.Consul.Identity;

/// <summary>
/// Reads and watches the roots of the mesh: all of them, whichever signs at the moment. The intermediates listed with a root
/// are not trusted by themselves; peers send what is between their leaf and a root.
/// </summary>
internal sealed class TrustBundleReader(ConsulTransport transport, ConsulOptions options, ILogger logger)
{
    private const int RootsKind = 1;
    private const string Path = "v1/agent/connect/ca/roots";

    public async Task<Watched<TrustBundle>> ReadAsync(ulong opaque, CancellationToken cancellationToken)
    {
        var mark = WatchMark.FromOpaque(opaque);
        using var answer = mark.IsRestart
            ? await transport.GetAsync(Path, cancellationToken).ConfigureAwait(false)
            : await transport.ParkAsync(Path, mark.Index, options.Wait, cancellationToken).ConfigureAwait(false);
        var next = WatchMark.After(mark.IsRestart ? null : mark.Index, answer.Index, RootsKind);
        return new Watched<TrustBundle>(Read(answer), next.ToOpaque());
    }

    private TrustBundle Read(ConsulAnswer answer)
    {
        var document = WireJson.Read(answer, WireJson.Default.RootsDocument);
        if (document is null || document.Roots.Count == 0 || string.IsNullOrEmpty(document.TrustDomain))
        {
            // A cluster that is just being made has a CA a moment later.
            throw new ControlPlaneException(ControlPlaneFailure.Unavailable, $"{answer.Call} was answered without roots.");
        }

        var roots = new List<X509Certificate2>();
        X509Certificate2? signing = null;
        foreach (var root in document.Roots)
        {
            if (TryRead(root.RootCert) is { } certificate)
            {
                roots.Add(certificate);
                signing = root.ID is not null && root.ID == document.ActiveRootID ? certificate : signing;
            }
            else
            {
                ConsulLog.RootLeftOut(logger, root.ID ?? "without id");
            }
        }

        return roots.Count > 0
            ? new TrustBundle(document.TrustDomain.ToLowerInvariant(), roots) { SigningRoot = signing }
            : throw new ControlPlaneException(ControlPlaneFailure.Malformed, $"{answer.Call} was answered with roots that cannot be read.");
    }

    private static X509Certificate2? TryRead(string? pem)
    {
        try
        {
            var certificates = PemReader.ReadCertificates(pem);
            PemReader.Dispose(certificates.Skip(1));
            return certificates.Count > 0 ? certificates[0] : null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null;
        }
    }
}
