using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;

namespace MeshClient.Testing;

/// <summary>A leaf made from a <see cref="LeafBlueprint"/>, good or not, ready for a TLS server or client.</summary>
public sealed class IssuedCertificate : IDisposable
{
    internal IssuedCertificate(X509Certificate2 certificate, IReadOnlyList<X509Certificate2> intermediates)
    {
        Certificate = certificate;
        Intermediates = intermediates;
    }

    /// <summary>The leaf with its private key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>The certificates to send after it; may be empty.</summary>
    public IReadOnlyList<X509Certificate2> Intermediates { get; }

    /// <summary>The same as a workload's own certificate, over the same certificate objects.</summary>
    /// <exception cref="ArgumentException">It is not a valid SPIFFE leaf.</exception>
    public LeafCertificate ToLeaf() => new(Certificate, Intermediates);

    /// <summary>Lets go of the certificates.</summary>
    public void Dispose()
    {
        Certificate.Dispose();
        foreach (var intermediate in Intermediates)
        {
            intermediate.Dispose();
        }
    }
}
