using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using MeshClient.Configuration;

namespace MeshClient.Restart;

/// <summary>
/// AES-256 in Galois/counter mode (NIST SP 800-38D) with the user's key: nonce, tag, ciphertext. Each seal draws a nonce of its
/// own of 96 bits; at one write a second the chance of two alike under one key stays below 2^-32 for over a century (the same,
/// section 8.3).
/// </summary>
internal sealed class AesStateProtector(byte[] key) : IStateProtector
{
    public const int KeySize = 32;
    private const int NonceSize = 12;
    private const int TagSize = 16;

    /// <summary>Reads the key that the options name, as base64, or from a file also as it is.</summary>
    /// <param name="options">The options; exactly one of the two ways is taken.</param>
    /// <param name="protector">The protector.</param>
    /// <param name="problem">What is wrong with the setting, without its value.</param>
    public static bool TryCreate(
        MeshStateFileOptions options, [NotNullWhen(true)] out AesStateProtector? protector, [NotNullWhen(false)] out string? problem)
    {
        protector = null;
        if (options.Key is { } text)
        {
            var fromText = TryDecode(text);
            problem = fromText is null ? $"Key has to be {KeySize} bytes as base64; `openssl rand -base64 {KeySize}` makes one." : null;
            protector = fromText is null ? null : new AesStateProtector(fromText);
            return protector is not null;
        }

        try
        {
            var content = File.ReadAllBytes(options.KeyFile!);
            var fromFile = content.Length == KeySize ? content : TryDecode(System.Text.Encoding.ASCII.GetString(content));
            problem = fromFile is null ? $"KeyFile '{options.KeyFile}' has to hold {KeySize} bytes, as they are or as base64." : null;
            protector = fromFile is null ? null : new AesStateProtector(fromFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            problem = $"KeyFile '{options.KeyFile}' cannot be read: {e.Message}";
        }

        return protector is not null;
    }

    public byte[] Protect(byte[] plain, byte[] associated)
    {
        var result = new byte[NonceSize + TagSize + plain.Length];
        var nonce = result.AsSpan(0, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagSize);
        aes.Encrypt(nonce, plain, result.AsSpan(NonceSize + TagSize), result.AsSpan(NonceSize, TagSize), associated);
        return result;
    }

    public byte[] Unprotect(byte[] @sealed, byte[] associated)
    {
        if (@sealed.Length < NonceSize + TagSize)
        {
            throw new CryptographicException("It is too short to have been sealed.");
        }

        var plain = new byte[@sealed.Length - NonceSize - TagSize];
        using var aes = new AesGcm(key, TagSize);
        aes.Decrypt(@sealed.AsSpan(0, NonceSize), @sealed.AsSpan(NonceSize + TagSize), @sealed.AsSpan(NonceSize, TagSize), plain, associated);
        return plain;
    }

    private static byte[]? TryDecode(string text)
    {
        var key = new byte[KeySize];
        return Convert.TryFromBase64String(text.Trim(), key, out var length) && length == KeySize ? key : null;
    }
}
