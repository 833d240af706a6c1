using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// A root of the mesh with its key. Holds a secret: never printed, and written only to the state file.
/// </summary>
internal sealed class CaRoot
{
    private readonly string _privateKeyPem;

    public CaRoot(string certificatePem, string privateKeyPem)
    {
        _privateKeyPem = privateKeyPem;
        Signer = X509Certificate2.CreateFromPem(certificatePem, privateKeyPem);
        CertificatePem = Pem.Of(Signer);
        Id = Pem.Colons(SHA1Of(Signer));
    }

    /// <summary>SHA-1 of the certificate, in hex with colons: a name, as Consul makes it, and nothing that is trusted.</summary>
    public string Id { get; }

    public string CertificatePem { get; }

    /// <summary>The root with its key, ready to sign. Never disposed: it is shared by all who hold a state.</summary>
    public X509Certificate2 Signer { get; }

    /// <summary>This root as signed by the one before it (and that one's own, while it lasts), to bridge a rotation.</summary>
    public ImmutableArray<string> IntermediatePems { get; init; } = [];

    /// <summary>When it stopped signing; null while it signs.</summary>
    public DateTimeOffset? ReplacedAt { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }

    public DateTimeOffset NotBefore => new(Signer.NotBefore.ToUniversalTime());

    public DateTimeOffset NotAfter => new(Signer.NotAfter.ToUniversalTime());

    public string PrivateKeyType => KeyTypeOf(Signer);

    public int PrivateKeyBits => KeyBitsOf(Signer);

    public static string KeyTypeOf(X509Certificate2 certificate) =>
        certificate.GetKeyAlgorithm() == "1.2.840.113549.1.1.1" ? "rsa" : "ec";

    public static int KeyBitsOf(X509Certificate2 certificate)
    {
        using AsymmetricAlgorithm? key = (AsymmetricAlgorithm?)certificate.GetECDsaPublicKey() ?? certificate.GetRSAPublicKey();
        return key?.KeySize ?? 0;
    }

    /// <summary>The key, for the one who stores it.</summary>
    public string RevealPrivateKey() => _privateKeyPem;

    public CaRoot With(DateTimeOffset? replacedAt, ulong modifyIndex) => new(CertificatePem, _privateKeyPem)
    {
        IntermediatePems = IntermediatePems,
        ReplacedAt = replacedAt,
        CreateIndex = CreateIndex,
        ModifyIndex = modifyIndex,
    };

    public CaRoot WithIntermediates(ImmutableArray<string> intermediates, ulong createIndex) => new(CertificatePem, _privateKeyPem)
    {
        IntermediatePems = intermediates,
        CreateIndex = createIndex,
        ModifyIndex = createIndex,
    };

    public override string ToString() => $"root {Id}";

    private static byte[] SHA1Of(X509Certificate2 certificate) => Convert.FromHexString(certificate.GetCertHashString(HashAlgorithmName.SHA1));
}
