using System.Collections.Immutable;

namespace MeshClient.Server.Catalog;

/// <summary>What an instance is found by: the name of its node, and its id there.</summary>
internal readonly record struct InstanceKey(string Node, string Id) : IComparable<InstanceKey>
{
    public int CompareTo(InstanceKey other)
    {
        var byNode = string.CompareOrdinal(Node, other.Node);
        return byNode != 0 ? byNode : string.CompareOrdinal(Id, other.Id);
    }
}

/// <summary>
/// The instances of one service, by node and id, and the index of their latest change. A tree and not an array: a write to a
/// service of many thousands must not copy them all.
/// </summary>
internal sealed record ServiceGroup(string Name, ulong Index)
{
    public ImmutableSortedDictionary<InstanceKey, InstanceRecord> ByKey { get; init; } =
        ImmutableSortedDictionary<InstanceKey, InstanceRecord>.Empty;

    public IEnumerable<InstanceRecord> Instances => ByKey.Values;

    public bool IsEmpty => ByKey.IsEmpty;

    public ServiceGroup With(InstanceRecord instance, ulong index) =>
        this with { ByKey = ByKey.SetItem(instance.Key, instance), Index = index };

    public ServiceGroup Without(InstanceKey key, ulong index) => this with { ByKey = ByKey.Remove(key), Index = index };
}
