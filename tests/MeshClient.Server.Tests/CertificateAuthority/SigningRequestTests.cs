using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Server.CertificateAuthority;

namespace MeshClient.Server.Tests.CertificateAuthority;

/// <summary>Whatever is sent as a request for a certificate gives its key or a refusal, never anything else.</summary>
public sealed class SigningRequestTests
{
    private static readonly int Rounds = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 50_000 : 1_500;

    [Fact]
    public void ReadKey_OfGoodRequests_GivesTheirKey()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var rsa = RSA.Create(2048);
        Assert.Equal(ec.ExportSubjectPublicKeyInfo(), SigningRequest.ReadKey(Pem(ec)).ExportSubjectPublicKeyInfo());
        var request = new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem();
        Assert.Equal(rsa.ExportSubjectPublicKeyInfo(), SigningRequest.ReadKey(request).ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void ReadKey_OfAWeakOrStrangeKey_IsRefused()
    {
        using var weak = RSA.Create(1024);
        Refused(new CertificateRequest("CN=x", weak, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem(), "The key must be");
        using var curve = ECDsa.Create(ECCurve.NamedCurves.brainpoolP256r1);
        Refused(Pem(curve), "The key must be");
    }

    [Fact]
    public void ReadKey_OfARequestSignedByAnotherKey_IsRefused()
    {
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var der = new CertificateRequest(new X500DistinguishedName("CN=x"), new PublicKey(own), HashAlgorithmName.SHA256).CreateSigningRequest(X509SignatureGenerator.CreateForECDsa(other));
        Refused(PemEncoding.WriteString("CERTIFICATE REQUEST", der), "signed by its own key");
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    [InlineData("-----BEGIN CERTIFICATE REQUEST-----\nMIIBADCB\n-----END CERTIFICATE REQUEST-----\n")]
    public void ReadKey_OfNoRequest_IsRefused(string pem) => Refused(pem, "The body must be");

    [Fact]
    public void ReadKey_OfSomethingLong_IsRefusedUnread() => Refused(new string('A', SigningRequest.MaxLength + 1), "no more than");

    /// <summary>Good requests, EC and RSA, with bytes changed, cut out, doubled and put in.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void ReadKey_OfDamagedRequests_IsRefusedOrGivesAKey(int seed)
    {
        var random = new Random(seed);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var rsa = RSA.Create(2048);
        byte[][] samples =
        [
            new CertificateRequest("CN=web", ec, HashAlgorithmName.SHA256).CreateSigningRequest(),
            new CertificateRequest("CN=web", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest(),
        ];
        for (var round = 0; round < Rounds; round++)
        {
            var der = samples[random.Next(samples.Length)].ToList();
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                var position = random.Next(der.Count);
                switch (random.Next(4))
                {
                    case 0: der[position] = (byte)random.Next(256); break;
                    case 1: der[position] ^= (byte)(1 << random.Next(8)); break;
                    case 2: der.RemoveRange(position, Math.Min(random.Next(1, 8), der.Count - position)); break;
                    default: der.InsertRange(position, der.GetRange(position, Math.Min(random.Next(1, 40), der.Count - position))); break;
                }

                if (der.Count == 0)
                {
                    break;
                }
            }

            try
            {
                SigningRequest.ReadKey(PemEncoding.WriteString("CERTIFICATE REQUEST", der.ToArray()));
            }
            catch (RequestRefusedException e)
            {
                Assert.Equal(400, e.StatusCode);
            }
        }
    }

    private static string Pem(ECDsa key) => new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();

    private static void Refused(string pem, string text)
    {
        var refused = Assert.Throws<RequestRefusedException>(() => SigningRequest.ReadKey(pem));
        Assert.Equal(400, refused.StatusCode);
        Assert.Contains(text, refused.Message, StringComparison.Ordinal);
    }
}
