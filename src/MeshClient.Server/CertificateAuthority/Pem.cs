using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>Texts of certificates, as Consul writes them.</summary>
internal static partial class Pem
{
    /// <summary>A certificate in PEM with a final newline.</summary>
    public static string Of(X509Certificate2 certificate) => certificate.ExportCertificatePem() + "\n";

    /// <summary>Bytes as lower-case hex with colons.</summary>
    public static string Colons(ReadOnlySpan<byte> bytes) => BetweenBytes().Replace(Convert.ToHexStringLower(bytes), "$0:");

    [GeneratedRegex("..(?!$)", RegexOptions.CultureInvariant)]
    private static partial Regex BetweenBytes();
}
