namespace MeshClient.Server;

/// <summary>What holds for a call that no intention speaks about.</summary>
public enum DefaultIntentionPolicy
{
    /// <summary>The call is allowed: how a Consul without access control lists behaves.</summary>
    Allow,

    /// <summary>The call is refused: every permitted pair has to be written down.</summary>
    Deny,
}
