namespace MeshClient.Overload;

/// <summary>How much a call matters when a service cannot take all: what its shares per priority go by.</summary>
public enum MeshPriority
{
    /// <summary>Can wait or be left out: batches, prefetching.</summary>
    Low,

    /// <summary>As calls are that say nothing.</summary>
    Normal,

    /// <summary>People wait for it, or others depend on it.</summary>
    High,
}
