using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Identity;

/// <summary>From when until when a certificate is valid.</summary>
internal readonly record struct CertificateSpan(DateTimeOffset From, DateTimeOffset Until)
{
    public static CertificateSpan Of(X509Certificate2 certificate) => new(
        new DateTimeOffset(certificate.NotBefore.ToUniversalTime()), new DateTimeOffset(certificate.NotAfter.ToUniversalTime()));

    /// <summary>Whether a moment lies within, or beside it by no more than an allowance for clocks that differ.</summary>
    public bool Holds(DateTimeOffset moment, TimeSpan allowance) => moment >= From - allowance && moment <= Until + allowance;

    /// <summary>The moment at which a share of its life is over.</summary>
    public DateTimeOffset At(double share) => From + ((Until - From) * share);
}
