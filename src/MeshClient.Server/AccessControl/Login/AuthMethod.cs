namespace MeshClient.Server.AccessControl.Login;

/// <summary>A way to turn a token of somebody else's into one of this server's.</summary>
internal sealed record AuthMethod
{
    public const string JwtType = "jwt";

    public required string Name { get; init; }

    public string DisplayName { get; init; } = string.Empty;

    public string Description { get; init; } = string.Empty;

    /// <summary>How long a token of a login lives; zero: until it is logged out.</summary>
    public TimeSpan MaxTokenLifetime { get; init; }

    /// <summary>The configuration as it was written.</summary>
    public required string ConfigJson { get; init; }

    /// <summary>The configuration as it was understood.</summary>
    public required JwtConfig Config { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }
}
