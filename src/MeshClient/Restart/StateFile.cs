using System.Security.Cryptography;
using System.Text.Json;

namespace MeshClient.Restart;

/// <summary>
/// The state file as it lies on the disk: a head that says what it is and in which version, and below it the sealed document. The
/// head is sealed along with it.
/// </summary>
internal sealed class StateFile(string path, IStateProtector protector)
{
    /// <summary>
    /// Raised whenever what is in the document changes its shape or meaning, for a part that is read as missing could be one that
    /// forbids something. A test compares the shape.
    /// </summary>
    public const byte Version = 1;

    private static readonly byte[] Mark = "MESHSTATE"u8.ToArray();
    private static readonly byte[] Head = [.. Mark, Version];

    private readonly OwnerOnlyFile _file = new(path);

    public string FullPath => _file.FullPath;

    /// <summary>Reads and opens it.</summary>
    /// <returns>What it holds; null when there is no file.</returns>
    /// <exception cref="StateRefusedException">It is not to be gone by.</exception>
    public SavedDocument? Read()
    {
        byte[]? content;
        try
        {
            content = _file.Read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StateRefusedException($"it cannot be read: {e.Message}", e);
        }

        return content is null ? null : Open(content);
    }

    /// <summary>Seals a document and writes it in place of the last one.</summary>
    /// <exception cref="StateRefusedException">Others may write in its directory.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public void Write(SavedDocument document)
    {
        var plain = JsonSerializer.SerializeToUtf8Bytes(document, SavedJson.Default.SavedDocument);
        try
        {
            _file.Replace(Head, protector.Protect(plain, Head));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private SavedDocument Open(byte[] content)
    {
        if (content.Length <= Head.Length || !content.AsSpan(0, Mark.Length).SequenceEqual(Mark))
        {
            throw new StateRefusedException("it is no state file");
        }

        if (content[Mark.Length] != Version)
        {
            throw new StateRefusedException($"it is of version {content[Mark.Length]}; this program knows version {Version}");
        }

        byte[] plain;
        try
        {
            plain = protector.Unprotect(content[Head.Length..], Head);
        }
        catch (Exception e)
        {
            // A protector is the app's own: whatever it throws, there is no state.
            throw new StateRefusedException("it was changed, or sealed with another key", e);
        }

        try
        {
            return JsonSerializer.Deserialize(plain, SavedJson.Default.SavedDocument)
                ?? throw new StateRefusedException("what it holds is not the expected document");
        }
        catch (Exception e) when (SavedJson.IsReadFailure(e))
        {
            // The cause may quote what it read, which may be a piece of the key.
            throw new StateRefusedException("what it holds is not the expected document");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }
}
