using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// A root of the mesh, with its key as long as it signs. That is a secret: never printed, and stored only sealed.
/// </summary>
internal sealed class CaRoot
{
    public const string EllipticType = "ec";
    public const string RsaType = "rsa";

    private readonly string? _privateKeyPem;

    /// <param name="certificatePem">The certificate.</param>
    /// <param name="privateKeyPem">Its key; null for a root that has been replaced.</param>
    public CaRoot(string certificatePem, string? privateKeyPem)
    {
        _privateKeyPem = privateKeyPem;
        Signer = privateKeyPem is null
            ? X509Certificate2.CreateFromPem(certificatePem)
            : X509Certificate2.CreateFromPem(certificatePem, privateKeyPem);
        CertificatePem = Pem.Of(Signer);
        Id = Pem.Colons(SHA1Of(Signer));
    }

    /// <summary>SHA-1 of the certificate, in hex with colons: a name, as Consul makes it, and nothing that is trusted.</summary>
    public string Id { get; }

    public string CertificatePem { get; }

    /// <summary>
    /// The root, with its key ready to sign while it is the active one. Never disposed: it is shared by all who hold a state.
    /// </summary>
    public X509Certificate2 Signer { get; }

    /// <summary>This root as signed by the one before it (and that one's own, while it lasts), to bridge a rotation.</summary>
    public ImmutableArray<string> IntermediatePems { get; init; } = [];

    /// <summary>When it stopped signing; null while it signs.</summary>
    public DateTimeOffset? ReplacedAt { get; init; }

    /// <summary>
    /// When it may go, because no leaf of it is valid any more; null while it signs. Fixed when it is replaced: a life of
    /// leaves that is changed later says nothing about those it has signed.
    /// </summary>
    public DateTimeOffset? RetireAt { get; init; }

    /// <summary>The longest life a leaf of it may have been given.</summary>
    public required TimeSpan LongestLeafLifetime { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }

    public DateTimeOffset NotBefore => new(Signer.NotBefore.ToUniversalTime());

    public DateTimeOffset NotAfter => new(Signer.NotAfter.ToUniversalTime());

    public string PrivateKeyType => KeyTypeOf(Signer);

    public int PrivateKeyBits => KeyBitsOf(Signer);

    public static string KeyTypeOf(X509Certificate2 certificate) =>
        certificate.GetKeyAlgorithm() == "1.2.840.113549.1.1.1" ? RsaType : EllipticType;

    public static int KeyBitsOf(X509Certificate2 certificate)
    {
        using AsymmetricAlgorithm? key = (AsymmetricAlgorithm?)certificate.GetECDsaPublicKey() ?? certificate.GetRSAPublicKey();
        return key?.KeySize ?? 0;
    }

    /// <summary>The key, for the one who stores it; null when it has been replaced.</summary>
    public string? RevealPrivateKey() => _privateKeyPem;

    /// <summary>
    /// When a root goes that was replaced at a moment: two of the longest lives it signed, one for its leaves and one to spare
    /// for whoever was just having one signed or looks at another clock.
    /// </summary>
    public static DateTimeOffset RetirementOf(DateTimeOffset replacedAt, TimeSpan longestLeafLifetime) =>
        replacedAt + (2 * longestLeafLifetime);

    /// <summary>
    /// This root once another one signs. Its key is let go: the new root has been bridged to it by then, and it signs nothing more.
    /// </summary>
    public CaRoot Replaced(DateTimeOffset at, ulong modifyIndex) => new(CertificatePem, privateKeyPem: null)
    {
        IntermediatePems = IntermediatePems,
        ReplacedAt = at,
        RetireAt = RetirementOf(at, LongestLeafLifetime),
        LongestLeafLifetime = LongestLeafLifetime,
        CreateIndex = CreateIndex,
        ModifyIndex = modifyIndex,
    };

    /// <summary>This root once it signs leaves of a life as well.</summary>
    public CaRoot Signing(TimeSpan leafLifetime) => leafLifetime <= LongestLeafLifetime ? this : new(CertificatePem, _privateKeyPem)
    {
        IntermediatePems = IntermediatePems,
        ReplacedAt = ReplacedAt,
        RetireAt = RetireAt,
        LongestLeafLifetime = leafLifetime,
        CreateIndex = CreateIndex,
        ModifyIndex = ModifyIndex,
    };

    /// <summary>This root with fewer of its bridges.</summary>
    public CaRoot BridgedBy(ImmutableArray<string> intermediatePems, ulong modifyIndex) =>
        intermediatePems.Length == IntermediatePems.Length ? this : new(CertificatePem, _privateKeyPem)
        {
            IntermediatePems = intermediatePems,
            ReplacedAt = ReplacedAt,
            RetireAt = RetireAt,
            LongestLeafLifetime = LongestLeafLifetime,
            CreateIndex = CreateIndex,
            ModifyIndex = modifyIndex,
        };

    public override string ToString() => $"root {Id}";

    private static byte[] SHA1Of(X509Certificate2 certificate) => Convert.FromHexString(certificate.GetCertHashString(HashAlgorithmName.SHA1));
}
