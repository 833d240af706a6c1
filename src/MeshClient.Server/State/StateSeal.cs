using System.Security.Cryptography;
using System.Text;

namespace MeshClient.Server.State;

/// <summary>
/// Keeps secrets in rows unreadable to whoever gets hold of a log or a snapshot but not of the key, which lies in a file of
/// its own: AES-256-GCM (NIST SP 800-38D), a random nonce each time, and the row's own name bound in, so that a sealed
/// secret cannot be moved to another row.
/// </summary>
internal sealed class StateSeal : IDisposable
{
    public const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    private readonly Lock _using = new();
    private readonly AesGcm _cipher;

    public StateSeal(ReadOnlySpan<byte> key) => _cipher = new AesGcm(key, TagBytes);

    public static StateSeal Create() => new(RandomNumberGenerator.GetBytes(KeyBytes));

    public byte[] Seal(string secret, string name)
    {
        var plain = Encoding.UTF8.GetBytes(secret);
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        var nonce = box.AsSpan(0, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        lock (_using)
        {
            _cipher.Encrypt(
                nonce, plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), Encoding.UTF8.GetBytes(name));
        }

        CryptographicOperations.ZeroMemory(plain);
        return box;
    }

    /// <exception cref="InvalidDataException">It was sealed with another key, or is damaged.</exception>
    public string Open(ReadOnlySpan<byte> secret, string name)
    {
        if (secret.Length < NonceBytes + TagBytes)
        {
            throw NotOurs();
        }

        var plain = new byte[secret.Length - NonceBytes - TagBytes];
        try
        {
            lock (_using)
            {
                _cipher.Decrypt(
                    secret[..NonceBytes], secret[(NonceBytes + TagBytes)..], secret.Slice(NonceBytes, TagBytes), plain, Encoding.UTF8.GetBytes(name));
            }

            return Encoding.UTF8.GetString(plain);
        }
        catch (CryptographicException)
        {
            throw NotOurs();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    public void Dispose() => _cipher.Dispose();

    private static InvalidDataException NotOurs() =>
        new($"its secret was sealed with another key: the file {StateDirectory.SealFile} has to be the one of the server that wrote it");
}
