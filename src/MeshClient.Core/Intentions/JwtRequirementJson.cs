using System.Text.Json;

namespace MeshClient.Core.Intentions;

/// <summary>
/// Reads a requirement for tokens as registries write it; the case of keys does not matter. What is not understood is noticed in
/// all its parts: it may ask for more.
/// </summary>
internal static class JwtRequirementJson
{
    /// <summary>Reads a requirement; false when it asks for something that is not understood.</summary>
    /// <param name="element">What the registry has; null or empty: nothing.</param>
    /// <param name="requirement">The requirement; null: none.</param>
    public static bool TryRead(JsonElement? element, out JwtRequirement? requirement)
    {
        requirement = null;
        if (!JsonContent.IsAny(element))
        {
            return true;
        }

        try
        {
            requirement = ReadRequirement(element!.Value);
            return true;
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>The same of a text.</summary>
    /// <param name="json">The text; null: nothing.</param>
    /// <param name="requirement">The requirement; null: none.</param>
    public static bool TryRead(string? json, out JwtRequirement? requirement)
    {
        if (json is null)
        {
            requirement = null;
            return true;
        }

        using var document = JsonDocument.Parse(json);
        return TryRead(document.RootElement, out requirement);
    }

    private static JwtRequirement ReadRequirement(JsonElement element)
    {
        EquatableArray<JwtProviderRequirement> providers = [];
        foreach (var part in element.EnumerateObject())
        {
            switch (part.Name.ToUpperInvariant())
            {
                case "PROVIDERS": providers = ReadList(part.Value, ReadProvider); break;
                default: ThrowIfAny(part); break;
            }
        }

        return new JwtRequirement(providers);
    }

    private static JwtProviderRequirement ReadProvider(JsonElement element)
    {
        var name = string.Empty;
        EquatableArray<JwtClaimRequirement> claims = [];
        foreach (var part in element.EnumerateObject())
        {
            switch (part.Name.ToUpperInvariant())
            {
                case "NAME": name = ReadText(part.Value); break;
                case "VERIFYCLAIMS": claims = ReadList(part.Value, ReadClaim); break;
                default: ThrowIfAny(part); break;
            }
        }

        return name.Length > 0 ? new JwtProviderRequirement(name, claims) : throw new FormatException("A provider has no name.");
    }

    private static JwtClaimRequirement ReadClaim(JsonElement element)
    {
        EquatableArray<string> path = [];
        string? value = null;
        foreach (var part in element.EnumerateObject())
        {
            switch (part.Name.ToUpperInvariant())
            {
                case "PATH": path = ReadList(part.Value, ReadText); break;
                case "VALUE": value = ReadText(part.Value); break;
                default: ThrowIfAny(part); break;
            }
        }

        return value is not null && path.Count > 0 && path.All(one => one.Length > 0)
            ? new JwtClaimRequirement(path, value)
            : throw new FormatException("A claim has no path or no value.");
    }

    private static EquatableArray<T> ReadList<T>(JsonElement element, Func<JsonElement, T> read) =>
        element.ValueKind == JsonValueKind.Null ? [] : EquatableArray.From(element.EnumerateArray().Select(read));

    private static string ReadText(JsonElement element) => element.GetString() ?? throw new FormatException("A text is missing.");

    private static void ThrowIfAny(JsonProperty part)
    {
        if (JsonContent.IsAny(part.Value))
        {
            throw new FormatException("A part is not known.");
        }
    }
}
