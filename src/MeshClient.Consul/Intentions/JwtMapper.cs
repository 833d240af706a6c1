using System.Text.Json;
using MeshClient.Consul.Model;
using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Consul.Intentions;

/// <summary>Makes a requirement for tokens out of Consul's.</summary>
internal static class JwtMapper
{
    /// <summary>Maps a requirement; false when it asks for something that is not understood.</summary>
    /// <param name="element">What Consul has.</param>
    /// <param name="requirement">The requirement; null: none.</param>
    public static bool TryMap(JsonElement? element, out JwtRequirement? requirement)
    {
        requirement = null;
        if (!WireContent.IsAny(element))
        {
            return true;
        }

        try
        {
            var document = element!.Value.Deserialize(WireJson.Default.JwtDocument)!;
            if (WireContent.IsAny(document.Unknown) || (document.Providers ?? []).Any(provider => !IsUnderstood(provider)))
            {
                return false;
            }

            requirement = new JwtRequirement(EquatableArray.From((document.Providers ?? []).Select(provider => Map(provider!))));
            return true;
        }
        catch (Exception e) when (WireJson.IsReadFailure(e))
        {
            return false;
        }
    }

    private static bool IsUnderstood(JwtProviderDocument? provider) =>
        provider is not null && !string.IsNullOrEmpty(provider.Name) && !WireContent.IsAny(provider.Unknown)
        && (provider.VerifyClaims ?? []).All(claim =>
            claim is { Value: not null } && !WireContent.IsAny(claim.Unknown)
            && claim.Path is { Length: > 0 } path && path.All(part => !string.IsNullOrEmpty(part)));

    private static JwtProviderRequirement Map(JwtProviderDocument provider) => new(
        provider.Name!,
        EquatableArray.From((provider.VerifyClaims ?? []).Select(claim =>
            new JwtClaimRequirement(EquatableArray.From(claim!.Path!.Select(part => part!)), claim.Value!))));
}
