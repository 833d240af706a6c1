namespace MeshClient.Server.AccessControl;

/// <summary>The tokens the agent was given for itself. In memory, as in Consul unless it is told to keep them.</summary>
internal sealed class AgentTokens
{
    private volatile string? _default;

    /// <summary>What counts for requests that carry no token; null: the anonymous one.</summary>
    public string? Default
    {
        get => _default;
        set => _default = string.IsNullOrEmpty(value) ? null : value;
    }
}
