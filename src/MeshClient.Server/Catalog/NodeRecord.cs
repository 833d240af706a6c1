using MeshClient.Core;

namespace MeshClient.Server.Catalog;

/// <summary>A node: the server's own, on which agents' calls register, or one that a catalog registration made.</summary>
internal sealed record NodeRecord(string Id, string Name, string Address, string Datacenter, ulong CreateIndex, ulong ModifyIndex)
{
    /// <summary>By key, in order.</summary>
    public EquatableArray<KeyValuePair<string, string>> Meta { get; init; }

    /// <summary>By tag, in order; none is shown as null.</summary>
    public EquatableArray<KeyValuePair<string, string>> TaggedAddresses { get; init; }

    /// <summary>Whether this is the server's own. It is never removed, and no registration changes it.</summary>
    public bool IsLocal { get; init; }

    /// <summary>The server's own node, with the metadata and addresses an agent gives itself.</summary>
    public static NodeRecord Local(string id, string name, string address, string datacenter, ulong index)
    {
        var family = AddressFamilyText.Of(address);
        return new NodeRecord(id, name, address, datacenter, index, index)
        {
            IsLocal = true,
            Meta = [new("consul-network-segment", string.Empty)],
            TaggedAddresses = [new("lan", address), new($"lan_{family}", address), new("wan", address), new($"wan_{family}", address)],
        };
    }
}
