namespace MeshClient.Restart;

/// <summary>
/// Seals what the state file holds (<see cref="Configuration.MeshStateFileOptions"/>), for apps whose keys live elsewhere than in a
/// setting, such as in a key management service. Register one in the container; then neither <c>Mesh:StateFile:Key</c> nor
/// <c>KeyFile</c> may be set.
/// </summary>
/// <remarks>
/// It has to encrypt and to authenticate: whoever can write the file but not seal must not be able to make one that opens. It may
/// be called from any thread, once at a time, and must not call services of the mesh.
/// </remarks>
public interface IStateProtector
{
    /// <summary>Seals a text.</summary>
    /// <param name="plain">What to hide. Cleared by the caller afterwards; keep no reference to it.</param>
    /// <param name="associated">What is not hidden, but has to be the same when it is opened: the head of the file.</param>
    /// <returns>What is written.</returns>
    byte[] Protect(byte[] plain, byte[] associated);

    /// <summary>Opens what <see cref="Protect"/> has made.</summary>
    /// <param name="sealed">What was written.</param>
    /// <param name="associated">The same as then.</param>
    /// <returns>The text. Cleared by the caller after use.</returns>
    /// <exception cref="System.Security.Cryptography.CryptographicException">
    /// It was changed, or sealed with another key. Any exception counts as that; none of them reaches the app.
    /// </exception>
    byte[] Unprotect(byte[] @sealed, byte[] associated);
}
