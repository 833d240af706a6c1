using System.Security.Claims;

namespace MeshClient.AspNetCore.Passports;

/// <summary>
/// The user's tokens of one request, by their providers, as far as a rule has asked for them: what is known of them, and those that
/// are still to be looked at.
/// </summary>
internal sealed class PassportSet
{
    private readonly Dictionary<string, ClaimsPrincipal?> _known = new(StringComparer.Ordinal);
    private List<string>? _wanted;

    /// <summary>Whether a rule has asked for a provider that has not been looked at.</summary>
    public bool IsWanting => _wanted is { Count: > 0 };

    /// <summary>Whom a provider's token speaks of; null: there is none, or it has not been looked at and is wanted from now on.</summary>
    /// <param name="provider">The provider.</param>
    /// <param name="mayAsk">Whether it may still be looked at.</param>
    public ClaimsPrincipal? Find(string provider, bool mayAsk)
    {
        if (!_known.TryGetValue(provider, out var principal) && mayAsk && !(_wanted ??= []).Contains(provider, StringComparer.Ordinal))
        {
            _wanted.Add(provider);
        }

        return principal;
    }

    /// <summary>The providers that are to be looked at.</summary>
    public IReadOnlyList<string> TakeWanted()
    {
        var wanted = _wanted ?? [];
        _wanted = null;
        return wanted;
    }

    /// <summary>Keeps what came of looking.</summary>
    public void Know(string provider, ClaimsPrincipal? principal) => _known[provider] = principal;
}
