namespace MeshClient.Testing;

/// <summary>Gives out indexes: one row for the whole control plane, as in Consul, never 0.</summary>
internal sealed class IndexCounter
{
    public ulong Last { get; private set; } = 1;

    public ulong Next() => ++Last;
}

/// <summary>Something that can be watched: where its index stands and how often it was read.</summary>
internal sealed class Topic(IndexCounter counter)
{
    public ulong Index { get; private set; } = counter.Last;

    public int Reads { get; set; }

    public void Move() => Index = counter.Next();
}
