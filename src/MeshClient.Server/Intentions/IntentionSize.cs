using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Server.Intentions;

/// <summary>
/// Whether the parts of an intention are such that the services that read it can enforce it: what they would take as allowing
/// nothing is refused here, where somebody reads the answer.
/// </summary>
internal static class IntentionSize
{
    public static IEnumerable<string> FindProblems(EquatableArray<StoredPermission> permissions, string? jwtJson)
    {
        if (permissions.Count > IntentionLimits.Permissions)
        {
            yield return $"Permissions: more than {IntentionLimits.Permissions}";
        }

        if (permissions.Any(permission =>
            permission.Rule.Methods.Count > IntentionLimits.Conditions || permission.Rule.Headers.Count > IntentionLimits.Conditions))
        {
            yield return $"Permissions.HTTP: more than {IntentionLimits.Conditions} methods or headers";
        }

        foreach (var json in permissions.Select(permission => permission.JwtJson).Append(jwtJson))
        {
            if (!JwtRequirementJson.TryRead(json, out var jwt))
            {
                yield return "JWT is not of the form {Providers: [{Name, VerifyClaims: [{Path, Value}]}]}";
            }
            else if (CompiledRequirement.IsTooLarge(jwt))
            {
                yield return $"JWT: more than {IntentionLimits.Tokens} providers, or claims of one";
            }
        }
    }
}
