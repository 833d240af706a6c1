using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Tool.Commands;

/// <summary>The verified tokens of a request that is only imagined.</summary>
internal readonly struct TokenClaims : IPassportLookup
{
    private readonly IReadOnlyList<(string Provider, string Claim)> _claims;

    private TokenClaims(IReadOnlyList<(string Provider, string Claim)> claims) => _claims = claims;

    /// <summary>Reads texts of the form <c>provider</c> or <c>provider:outer.inner=value</c>.</summary>
    /// <exception cref="ToolException">One has no provider, or a claim without a value.</exception>
    public static TokenClaims Parse(IEnumerable<string> texts)
    {
        var parsed = new List<(string Provider, string Claim)>();
        foreach (var text in texts)
        {
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            var claim = colon < 0 ? string.Empty : text[(colon + 1)..];
            parsed.Add(text.Length > 0 && colon != 0 && (colon < 0 || claim.IndexOf('=', StringComparison.Ordinal) > 0)
                ? (colon < 0 ? text : text[..colon], claim)
                : throw new ToolException(ExitCodes.Usage, $"The token '{text}' is not of the form 'provider' or 'provider:outer.inner=value'."));
        }

        return new TokenClaims(parsed);
    }

    public bool HasToken(string provider) => _claims.Any(one => one.Provider == provider);

    public bool HasClaim(string provider, EquatableArray<string> path, string value)
    {
        var claim = $"{string.Join('.', path)}={value}";
        return _claims.Any(one => one.Provider == provider && one.Claim == claim);
    }
}
