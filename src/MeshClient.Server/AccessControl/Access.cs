using System.Security.Cryptography;
using MeshClient.Server.State;

namespace MeshClient.Server.AccessControl;

/// <summary>Makes sure that there is something to control access by before anything is served.</summary>
internal static class Access
{
    public static void Initialize(StateStore store, MeshServerOptions options, TimeProvider time)
    {
        if (!options.AccessControl.Enabled)
        {
            return;
        }

        var now = time.GetUtcNow();
        var management = options.AccessControl.InitialManagementToken is { } secret
            ? new AccessToken
            {
                AccessorId = Guid.NewGuid().ToString(),
                SecretId = secret,
                Description = "Initial Management Token",
                PolicyIds = [AccessPolicy.ManagementId],
                CreatedAt = now,
            }
            : null;
        store.Apply(new InitializeAccess(AccessToken.Anonymous(now), management));
    }

    /// <summary>A new secret: 128 bits of chance, in the form of a UUID.</summary>
    public static string NewSecret() => new Guid(RandomNumberGenerator.GetBytes(16)).ToString();
}
