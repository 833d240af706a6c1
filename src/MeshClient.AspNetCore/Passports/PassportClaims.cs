using System.Security.Claims;
using System.Text.Json;
using MeshClient.Core;

namespace MeshClient.AspNetCore.Passports;

/// <summary>
/// Finds claims of a token in the principal ASP.NET's handlers have made of it.
/// </summary>
/// <remarks>
/// Handlers flatten a token: a text, number or truth value becomes a claim with it as text, an array one claim for each of its
/// elements, an object one claim with its JSON and the value type <c>JSON</c>
/// (System.IdentityModel.Tokens.Jwt, JsonClaimValueTypes). Only a claim so marked is read as JSON: a text in which a user has
/// written some stays a text. A claim whose type was mapped is known by its name in the token too, which the handlers keep in the
/// property <c>ShortTypeName</c>; where they do not, by the mapping of <see cref="ClaimTypes"/> that has no second meaning.
/// </remarks>
internal static class PassportClaims
{
    private const string ShortTypeName = "http://schemas.xmlsoap.org/ws/2005/05/identity/claimproperties/ShortTypeName";
    private const string JsonType = "JSON";
    private const string JsonArrayType = "JSON_ARRAY";

    private static readonly Dictionary<string, string> MappedTypes = new(StringComparer.Ordinal)
    {
        ["sub"] = ClaimTypes.NameIdentifier,
        ["name"] = ClaimTypes.Name,
        ["email"] = ClaimTypes.Email,
        ["role"] = ClaimTypes.Role,
        ["given_name"] = ClaimTypes.GivenName,
        ["family_name"] = ClaimTypes.Surname,
    };

    /// <summary>Whether a principal has a claim with a value, or with several of which one is it.</summary>
    /// <param name="principal">The principal.</param>
    /// <param name="path">Where the claim is in the token, outermost name first.</param>
    /// <param name="value">The value; compared with case.</param>
    public static bool Has(ClaimsPrincipal principal, EquatableArray<string> path, string value)
    {
        if (path.Count == 0)
        {
            return false;
        }

        foreach (var identity in principal.Identities)
        {
            // What an identity that nobody has verified says is not from a token.
            if (!identity.IsAuthenticated)
            {
                continue;
            }

            foreach (var claim in identity.Claims)
            {
                if (IsNamed(claim, path[0]) && Holds(claim, path, value))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool IsNamed(Claim claim, string name) =>
        claim.Properties.TryGetValue(ShortTypeName, out var original)
            ? string.Equals(original, name, StringComparison.Ordinal)
            : string.Equals(claim.Type, name, StringComparison.Ordinal)
                || (MappedTypes.TryGetValue(name, out var mapped) && string.Equals(claim.Type, mapped, StringComparison.Ordinal));

    private static bool Holds(Claim claim, EquatableArray<string> path, string value)
    {
        if (claim.ValueType is JsonType or JsonArrayType)
        {
            try
            {
                using var json = JsonDocument.Parse(claim.Value);
                return Holds(json.RootElement, path, 1, value);
            }
            catch (JsonException)
            {
                return false;
            }
        }

        // Truth values are written as .NET writes them by some handlers, as JSON does by others.
        return path.Count == 1 && string.Equals(
            claim.Value,
            value,
            claim.ValueType == ClaimValueTypes.Boolean ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);
    }

    // An array stands for each of its elements, wherever it is. Depth is bounded by the parser.
    private static bool Holds(JsonElement element, EquatableArray<string> path, int step, string value)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Array:
                foreach (var one in element.EnumerateArray())
                {
                    if (Holds(one, path, step, value))
                    {
                        return true;
                    }
                }

                return false;
            case JsonValueKind.Object:
                return step < path.Count && element.TryGetProperty(path[step], out var inner) && Holds(inner, path, step + 1, value);
            case JsonValueKind.String:
                return step == path.Count && element.ValueEquals(value);
            case JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                return step == path.Count && string.Equals(element.GetRawText(), value, StringComparison.Ordinal);
            default:
                return false;
        }
    }
}
