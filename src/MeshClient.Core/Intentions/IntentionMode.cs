namespace MeshClient.Core.Intentions;

/// <summary>Whether a rule is in force, or only tried.</summary>
public enum IntentionMode
{
    /// <summary>It is in force.</summary>
    Enforce,

    /// <summary>
    /// It refuses nothing and opens nothing: what would decide without it decides, and a call that is allowed so and would be
    /// refused with it is reported (<see cref="IntentionOutcome.ShadowDeny"/>).
    /// </summary>
    Shadow,
}

/// <summary>How a registry keeps an intention's mode: as an entry of its <c>Meta</c>, which every version of Consul keeps.</summary>
public static class IntentionModeMeta
{
    /// <summary>The key in the <c>Meta</c> of an intention, or of a service-intentions entry for all its sources.</summary>
    public const string Key = "meshclient-mode";

    /// <summary>The value for <see cref="IntentionMode.Shadow"/>.</summary>
    public const string Shadow = "shadow";

    /// <summary>The value for <see cref="IntentionMode.Enforce"/>; also what holds without the key.</summary>
    public const string Enforce = "enforce";

    /// <summary>
    /// Reads the key's value, without case. False for a value that means nothing: then nobody knows whether the rule was meant
    /// to be in force, and it has to be kept from opening anything.
    /// </summary>
    /// <param name="value">The value; null or empty: the key is not there.</param>
    /// <param name="mode">What it says.</param>
    public static bool TryParse(string? value, out IntentionMode mode)
    {
        mode = string.Equals(value, Shadow, StringComparison.OrdinalIgnoreCase) ? IntentionMode.Shadow : IntentionMode.Enforce;
        return mode == IntentionMode.Shadow || string.IsNullOrEmpty(value) || string.Equals(value, Enforce, StringComparison.OrdinalIgnoreCase);
    }
}
