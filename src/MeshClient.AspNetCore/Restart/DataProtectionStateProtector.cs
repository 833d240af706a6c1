using MeshClient.Restart;
using Microsoft.AspNetCore.DataProtection;

namespace MeshClient.AspNetCore.Restart;

/// <summary>Seals the state file with the app's data protection keys, which are rotated and kept as the app has set up.</summary>
internal sealed class DataProtectionStateProtector(IDataProtectionProvider provider) : IStateProtector
{
    private const string Purpose = "MeshClient.StateFile";

    public byte[] Protect(byte[] plain, byte[] associated) => ProtectorFor(associated).Protect(plain);

    public byte[] Unprotect(byte[] @sealed, byte[] associated) => ProtectorFor(associated).Unprotect(@sealed);

    // What a protector is made for is sealed along with the text.
    private IDataProtector ProtectorFor(byte[] associated) => provider.CreateProtector(Purpose, Convert.ToHexString(associated));
}
