using System.Buffers.Binary;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.CertificateAuthority;

namespace MeshClient.Server.Api.CertificateAuthority;

/// <summary>Roots, leaves and the authority's configuration as Consul writes them.</summary>
internal static class AuthorityJson
{
    public static void WriteRoots(this Utf8JsonWriter writer, AuthorityState authority)
    {
        writer.WriteStartObject();
        writer.WriteString("ActiveRootID", authority.Active.Id);
        writer.WriteString("TrustDomain", authority.TrustDomain);
        writer.WriteStartArray("Roots");
        foreach (var root in authority.Roots)
        {
            WriteRoot(writer, authority, root);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    public static void WriteLeaf(this Utf8JsonWriter writer, LeafRecord leaf)
    {
        writer.WriteStartObject();
        writer.WriteString("SerialNumber", leaf.SerialNumber);
        writer.WriteString("CertPEM", leaf.CertificatePem);
        if (leaf.PrivateKeyPem.Length > 0)
        {
            writer.WriteString("PrivateKeyPEM", leaf.PrivateKeyPem);
        }

        writer.WriteString("Service", leaf.Service);
        writer.WriteString("ServiceURI", leaf.ServiceUri);
        writer.WriteString("ValidAfter", GoTime.Format(leaf.ValidAfter));
        writer.WriteString("ValidBefore", GoTime.Format(leaf.ValidBefore));
        writer.WriteIndexes(leaf.Index, leaf.Index);
        writer.WriteEndObject();
    }

    /// <summary>The configuration; of keys it tells at most the kind.</summary>
    public static void WriteConfiguration(this Utf8JsonWriter writer, CaConfiguration configuration)
    {
        writer.WriteStartObject();
        writer.WriteString("Provider", "consul");
        writer.WriteStartObject("Config");
        if (configuration.MaxSignedConcurrently > 0)
        {
            writer.WriteNumber("CSRMaxConcurrent", configuration.MaxSignedConcurrently);
        }

        if (configuration.MaxSignedPerSecond is { } perSecond)
        {
            writer.WriteNumber("CSRMaxPerSecond", perSecond);
        }

        writer.WriteString("IntermediateCertTTL", configuration.IntermediateLifetimeText);
        writer.WriteString("LeafCertTTL", configuration.LeafLifetimeText);
        if (configuration.PrivateKeyBits is { } bits)
        {
            writer.WriteNumber("PrivateKeyBits", bits);
        }

        if (configuration.PrivateKeyType is { } type)
        {
            writer.WriteString("PrivateKeyType", type);
        }

        writer.WriteString("RotationPeriod", configuration.RotationPeriodText);
        writer.WriteEndObject();
        writer.WriteNull("State");
        writer.WriteBoolean("ForceWithoutCrossSigning", false);
        writer.WriteIndexes(configuration.CreateIndex, configuration.ModifyIndex);
        writer.WriteEndObject();
    }

    private static void WriteRoot(Utf8JsonWriter writer, AuthorityState authority, CaRoot root)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", root.Id);
        writer.WriteString("Name", "Consul CA Root Cert");
        writer.WriteNumber("SerialNumber", LowBits(root.Signer));
        writer.WriteString("SigningKeyID", SigningKeyId(root.Signer));
        writer.WriteString("ExternalTrustDomain", authority.TrustDomain[..authority.TrustDomain.LastIndexOf('.')]);
        writer.WriteString("NotBefore", GoTime.Format(root.NotBefore));
        writer.WriteString("NotAfter", GoTime.Format(root.NotAfter));
        writer.WriteString("RootCert", root.CertificatePem);
        if (root.IntermediatePems.IsEmpty)
        {
            writer.WriteNull("IntermediateCerts");
        }
        else
        {
            writer.WriteStartArray("IntermediateCerts");
            foreach (var pem in root.IntermediatePems)
            {
                writer.WriteStringValue(pem);
            }

            writer.WriteEndArray();
        }

        writer.WriteBoolean("Active", ReferenceEquals(root, authority.Active));
        writer.WriteString("PrivateKeyType", root.PrivateKeyType);
        writer.WriteNumber("PrivateKeyBits", root.PrivateKeyBits);
        writer.WriteIndexes(root.CreateIndex, root.ModifyIndex);
        writer.WriteEndObject();
    }

    // Consul gives a number of 64 bits, and cuts longer ones down to their low bits.
    private static ulong LowBits(X509Certificate2 certificate)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        var serial = certificate.SerialNumberBytes.Span;
        var low = serial.Length > bytes.Length ? serial[^bytes.Length..] : serial;
        low.CopyTo(bytes[^low.Length..]);
        return BinaryPrimitives.ReadUInt64BigEndian(bytes);
    }

    private static string SigningKeyId(X509Certificate2 certificate) =>
        Pem.Colons(certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Single().SubjectKeyIdentifierBytes.Span);
}
