namespace MeshClient.Core.Intentions;

/// <summary>
/// How large intentions may be. A decision takes time in proportion to the permissions of one intention, and each expression
/// keeps a table that grows with what is matched; nobody who may write a rule shall be able to stop the services that read it.
/// An intention that is larger allows nothing.
/// </summary>
public static class IntentionLimits
{
    /// <summary>Characters of a regular expression: room for a long list of paths.</summary>
    public const int ExpressionLength = 1024;

    /// <summary>Permissions of an intention.</summary>
    public const int Permissions = 256;

    /// <summary>Headers of a permission, and methods.</summary>
    public const int Conditions = 64;

    /// <summary>Providers of a requirement for tokens, and claims of each.</summary>
    public const int Tokens = 64;

    /// <summary>Intentions to one destination, those to any included. More are refused as a whole, and the last ones stay in force.</summary>
    public const int Intentions = 16_384;
}
