using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Identity;

/// <summary>
/// This workload's certificate and private key out of two PEM files that somebody else renews, such as cert-manager. They are
/// looked at again and again rather than watched: exchanged links, mounted volumes and network drives give no events.
/// </summary>
/// <remarks>
/// The two are written one after the other, so that what is read may be half of one and half of the other. Files that are no pair
/// are looked at once more; only when they are the same then, they are bad, and whoever reads is told. The key is never a string,
/// and its buffers are cleared.
/// </remarks>
internal sealed class FileLeafSource(string certificateFile, string keyFile, TimeSpan interval, TimeProvider time) : ILeafCertificateSource
{
    // A chain of certificates has a few thousand bytes.
    private const int MaxBytes = 1024 * 1024;

    private byte[]? _digest;
    private ulong _version;

    public async Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        byte[]? doubtful = null;
        while (true)
        {
            if (TryRead(service, index, ref doubtful) is { } leaf)
            {
                return new Watched<LeafCertificate>(leaf, ++_version);
            }

            await Task.Delay(interval, time, cancellationToken).ConfigureAwait(false);
        }
    }

    internal static byte[] ReadFile(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > MaxBytes)
        {
            throw new FormatException($"It has more than {MaxBytes} bytes.");
        }

        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Reads the certificates of a file, which may hold the key besides: its text is no string either.</summary>
    internal static IReadOnlyList<X509Certificate2> ReadCertificates(byte[] pem)
    {
        var text = ArrayPool<char>.Shared.Rent(pem.Length);
        try
        {
            return PemReader.ReadCertificates(text.AsSpan(0, Encoding.UTF8.GetChars(pem, text)));
        }
        finally
        {
            Clear(text);
            CryptographicOperations.ZeroMemory(pem);
        }
    }

    /// <summary>What a file that cannot be used is reported as. What is in it is never part of the message.</summary>
    internal static ControlPlaneException Unusable(string what, Exception cause) => new(
        ControlPlaneFailure.Unavailable, $"{what} cannot be used: {cause.Message}", cause);

    internal static bool IsUnusable(Exception e) =>
        e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or FormatException;

    // Null: nothing new, or nothing that can be relied on yet.
    private LeafCertificate? TryRead(ServiceName service, ulong index, ref byte[]? doubtful)
    {
        byte[] certificate = [];
        byte[] key = [];
        byte[]? digest = null;
        try
        {
            certificate = ReadFile(certificateFile);
            key = ReadFile(keyFile);
            digest = SHA256.HashData([.. SHA256.HashData(certificate), .. SHA256.HashData(key)]);
            if (index != 0 && digest.AsSpan().SequenceEqual(_digest))
            {
                return null;
            }

            var leaf = Join(service, certificate, key);
            _digest = digest;
            return leaf;
        }
        catch (Exception e) when (IsUnusable(e))
        {
            // No digest: one of them could not even be read.
            var seen = digest ?? [];
            if (index == 0 || (doubtful is not null && seen.AsSpan().SequenceEqual(doubtful)))
            {
                throw Unusable($"The pair of {certificateFile} and {keyFile}", e);
            }

            doubtful = seen;
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static LeafCertificate Join(ServiceName service, byte[] certificate, byte[] key)
    {
        var text = ArrayPool<char>.Shared.Rent(key.Length);
        try
        {
            var length = Encoding.UTF8.GetChars(key, text);
            var leaf = PemReader.JoinLeaf(ReadCertificates(certificate), text.AsSpan(0, length));
            if (leaf.Id.TryGetService(out var owner) && owner.Name == service)
            {
                return leaf;
            }

            leaf.Dispose();
            throw new FormatException($"It is the certificate of {leaf.Id}, and this process is service {service}.");
        }
        finally
        {
            Clear(text);
        }
    }

    private static void Clear(char[] text)
    {
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(text.AsSpan()));
        ArrayPool<char>.Shared.Return(text);
    }
}
