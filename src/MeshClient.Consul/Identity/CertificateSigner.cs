using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.Consul.Model;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Identity;

/// <summary>Has certificate requests signed by a MeshClient.Server; Consul has no such call and answers 404.</summary>
internal sealed class CertificateSigner(ConsulTransport transport)
{
    // RFC 8555 and others call a request in DER application/pkcs10; for one in PEM there is no registered type.
    private const string ContentType = "application/x-pem-file";

    public async Task<IReadOnlyList<X509Certificate2>?> SignAsync(
        ServiceName service, string requestPem, CancellationToken cancellationToken)
    {
        using var answer = await transport.TryPostAsync(
            $"v1/agent/connect/ca/sign/{service.Value}", Encoding.ASCII.GetBytes(requestPem), ContentType, cancellationToken).ConfigureAwait(false);
        if (answer is null)
        {
            return null;
        }

        try
        {
            var certificates = PemReader.ReadCertificates(WireJson.Read(answer, WireJson.Default.SignedDocument)?.CertPEM);
            return certificates.Count > 0 ? certificates : throw new FormatException("There is no certificate in it.");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or FormatException)
        {
            throw new ControlPlaneException(
                ControlPlaneFailure.Malformed, $"{answer.Call} was answered with no usable certificate: {e.Message}", e);
        }
    }
}
