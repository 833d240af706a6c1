using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using MeshClient.Consul.Model;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Identity;

/// <summary>
/// Reads and watches the certificate of this workload. The key comes as text in the answer: it is read out of the body into
/// a buffer of its own, never into a string, and both are cleared.
/// </summary>
internal sealed class LeafReader(ConsulTransport transport, ConsulOptions options)
{
    private const int LeafKind = 1;

    public async Task<Watched<LeafCertificate>> ReadAsync(ServiceName service, ulong opaque, CancellationToken cancellationToken)
    {
        var mark = WatchMark.FromOpaque(opaque);
        var path = $"v1/agent/connect/ca/leaf/{service.Value}";
        using var answer = mark.IsRestart
            ? await transport.GetAsync(path, cancellationToken).ConfigureAwait(false)
            : await transport.ParkAsync(path, mark.Index, options.Wait, cancellationToken).ConfigureAwait(false);
        var next = WatchMark.After(mark.IsRestart ? null : mark.Index, answer.Index, LeafKind);
        return new Watched<LeafCertificate>(Read(service, answer), next.ToOpaque());
    }

    private static LeafCertificate Read(ServiceName service, ConsulAnswer answer)
    {
        try
        {
            return Read(service, answer.Body);
        }
        catch (Exception e) when (WireJson.IsReadFailure(e) || e is CryptographicException)
        {
            throw new ControlPlaneException(
                ControlPlaneFailure.Malformed,
                $"{answer.Call} was answered with no usable certificate: {Describe(e)}",
                e is JsonException ? null : e);
        }
    }

    // What a reader of JSON says may quote a piece of the body, and here that may be a piece of the key.
    private static string Describe(Exception e) => e is JsonException ? "it is not the expected JSON." : e.Message;

    private static LeafCertificate Read(ServiceName service, ReadOnlySpan<byte> body)
    {
        string? certificates = null;
        char[]? key = null;
        var keyLength = 0;
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                throw new JsonException();
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isCertificate = reader.ValueTextEquals("CertPEM"u8);
                var isKey = reader.ValueTextEquals("PrivateKeyPEM"u8);
                reader.Read();
                if (isCertificate)
                {
                    certificates = reader.GetString();
                }
                else if (isKey && reader.TokenType == JsonTokenType.String)
                {
                    Clear(key);
                    key = ArrayPool<char>.Shared.Rent(reader.HasValueSequence ? body.Length : reader.ValueSpan.Length);
                    keyLength = reader.CopyString(key);
                }
                else
                {
                    reader.Skip();
                }
            }

            return certificates is null || key is null
                ? throw new FormatException("The certificate or the private key is missing.")
                : Join(service, certificates, key.AsSpan(0, keyLength));
        }
        finally
        {
            Clear(key);
        }
    }

    private static LeafCertificate Join(ServiceName service, string certificates, ReadOnlySpan<char> key)
    {
        var leaf = PemReader.JoinLeaf(PemReader.ReadCertificates(certificates), key);
        if (leaf.Id.TryGetService(out var owner) && owner.Name == service)
        {
            return leaf;
        }

        leaf.Dispose();
        throw new FormatException($"It is the certificate of {leaf.Id}, not of service {service}.");
    }

    private static void Clear(char[]? key)
    {
        if (key is not null)
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(key.AsSpan()));
            ArrayPool<char>.Shared.Return(key);
        }
    }
}
