using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>Verified tokens by provider, each with its claims as "outer.inner=value".</summary>
internal readonly struct PassportTable(params (string Provider, string[] Claims)[] tokens) : IPassportLookup
{
    public bool HasToken(string provider) => tokens.Any(token => token.Provider == provider);

    public bool HasClaim(string provider, EquatableArray<string> path, string value)
    {
        var claim = $"{string.Join('.', path)}={value}";
        return tokens.Any(token => token.Provider == provider && token.Claims.Contains(claim));
    }
}
