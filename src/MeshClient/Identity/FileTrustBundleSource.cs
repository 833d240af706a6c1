using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;

namespace MeshClient.Identity;

/// <summary>The roots of a trust domain out of a PEM file, which is looked at again and again as <see cref="FileLeafSource"/> does.</summary>
/// <param name="file">The file.</param>
/// <param name="trustDomain">Gives the trust domain, each time: that of the workload's own certificate may be in a file too.</param>
/// <param name="interval">How often to look.</param>
/// <param name="time">The clock.</param>
internal sealed class FileTrustBundleSource(string file, Func<string> trustDomain, TimeSpan interval, TimeProvider time) : ITrustBundleSource
{
    private TrustBundle? _read;
    private byte[]? _text;
    private ulong _version;

    public async Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken)
    {
        byte[]? doubtful = null;
        while (true)
        {
            if (TryRead(index, ref doubtful) is { } bundle)
            {
                return new Watched<TrustBundle>(bundle, ++_version);
            }

            await Task.Delay(interval, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads a file of roots.</summary>
    /// <exception cref="FormatException">There is no root in it.</exception>
    public static TrustBundle Load(string trustDomain, byte[] text)
    {
        var certificates = PemReader.ReadCertificates(Encoding.UTF8.GetString(text));
        // What stands between a leaf and a root is sent by peers; only what is signed by itself ends a chain.
        var (roots, others) = (certificates.Where(IsRoot).ToList(), certificates.Where(one => !IsRoot(one)));
        PemReader.Dispose(others);
        return roots.Count > 0
            ? new TrustBundle(trustDomain, roots)
            : throw new FormatException("There is no root certificate in it, which is a CA's certificate issued by itself.");
    }

    /// <summary>The trust domain of the first certificate of a file.</summary>
    /// <exception cref="FormatException">It has none.</exception>
    public static string ReadTrustDomain(string certificateFile)
    {
        var certificates = FileLeafSource.ReadCertificates(FileLeafSource.ReadFile(certificateFile));
        try
        {
            return certificates.Count > 0 && SpiffeCertificate.TryReadId(certificates[0], out var id, out _)
                ? id.TrustDomain
                : throw new FormatException($"{certificateFile} holds no SPIFFE certificate.");
        }
        finally
        {
            PemReader.Dispose(certificates);
        }
    }

    private static bool IsRoot(X509Certificate2 certificate) =>
        certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)
        && certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(static one => one.CertificateAuthority);

    private TrustBundle? TryRead(ulong index, ref byte[]? doubtful)
    {
        byte[] text = [];
        try
        {
            text = FileLeafSource.ReadFile(file);
            var domain = trustDomain();
            if (index != 0 && _read?.TrustDomain == domain && text.AsSpan().SequenceEqual(_text))
            {
                return null;
            }

            var bundle = Load(domain, text);
            (_read, _text) = (bundle, text);
            return bundle;
        }
        catch (Exception e) when (FileLeafSource.IsUnusable(e))
        {
            if (index == 0 || (doubtful is not null && text.AsSpan().SequenceEqual(doubtful)))
            {
                throw FileLeafSource.Unusable($"The roots in {file}", e);
            }

            doubtful = text;
            return null;
        }
    }
}
