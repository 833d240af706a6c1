namespace MeshClient.Server;

/// <summary>What holds for a call that no rule of its token speaks about.</summary>
public enum DefaultAccessPolicy
{
    /// <summary>It is refused, and left out of lists.</summary>
    Deny,

    /// <summary>It is allowed: rules only forbid.</summary>
    Allow,
}
