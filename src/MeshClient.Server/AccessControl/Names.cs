using System.Text.RegularExpressions;

namespace MeshClient.Server.AccessControl;

/// <summary>Which names policies, auth methods and identities may have (Consul's rules).</summary>
internal static partial class Names
{
    private const int MaxLength = 128;
    private const int MaxIdentityLength = 256;

    /// <summary>The name of a policy or an auth method.</summary>
    public static bool IsPlain(string name) => name.Length <= MaxLength && Plain().IsMatch(name);

    /// <summary>The name of a service or node in an identity.</summary>
    public static bool IsIdentity(string name) => name.Length <= MaxIdentityLength && Identity().IsMatch(name);

    [GeneratedRegex(@"^[A-Za-z0-9\-_]+\z", RegexOptions.CultureInvariant)]
    private static partial Regex Plain();

    [GeneratedRegex(@"^[a-z0-9]([a-z0-9\-_]*[a-z0-9])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Identity();
}
