namespace MeshClient.Server.Catalog;

/// <summary>The one built-in node, on which everything is registered.</summary>
internal sealed record NodeRecord(string Id, string Name, string Address, string Datacenter, ulong CreateIndex, ulong ModifyIndex)
{
    /// <summary>The addresses by the place they are reached from, in order.</summary>
    public IEnumerable<KeyValuePair<string, string>> TaggedAddresses()
    {
        var family = AddressFamilyText.Of(Address);
        foreach (var place in new[] { "lan", "wan" })
        {
            yield return new(place, Address);
            if (family is not null)
            {
                yield return new($"{place}_{family}", Address);
            }
        }
    }

    /// <summary>The one pair of metadata every node of Consul has.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Meta => [new("consul-network-segment", string.Empty)];
}
