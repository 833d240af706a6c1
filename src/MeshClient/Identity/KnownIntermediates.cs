using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Identity;

/// <summary>
/// The intermediate certificates of peers that have been verified. A resumed session brings the peer's leaf and nothing else, for a
/// ticket holds no more, and without what stood between it and its root no chain can be built. Here they are found again; nothing is
/// trusted for being here.
/// </summary>
internal sealed class KnownIntermediates
{
    /// <summary>Far more than a mesh has authorities. What is beyond pushes out the oldest, so that this cannot grow.</summary>
    public const int Capacity = 256;

    private readonly Lock _lock = new();
    private volatile X509Certificate2[] _known = [];

    public void AddTo(X509Certificate2Collection store)
    {
        foreach (var certificate in _known)
        {
            store.Add(certificate);
        }
    }

    /// <summary>Keeps copies of what stands between the ends of a good chain.</summary>
    public void Remember(X509Chain chain, DateTimeOffset now)
    {
        for (var i = 1; i < chain.ChainElements.Count - 1; i++)
        {
            var certificate = chain.ChainElements[i].Certificate;
            if (!Has(certificate))
            {
                Add(certificate, now);
            }
        }
    }

    private bool Has(X509Certificate2 certificate)
    {
        foreach (var one in _known)
        {
            if (one.RawDataMemory.Span.SequenceEqual(certificate.RawDataMemory.Span))
            {
                return true;
            }
        }

        return false;
    }

    private void Add(X509Certificate2 certificate, DateTimeOffset now)
    {
        lock (_lock)
        {
            if (!Has(certificate))
            {
                _known = [.. _known.Where(one => CertificateSpan.Of(one).Until > now).TakeLast(Capacity - 1), X509CertificateLoader.LoadCertificate(certificate.RawDataMemory.Span)];
            }
        }
    }
}
