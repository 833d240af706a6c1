using System.Collections.Immutable;

namespace MeshClient.Server.Catalog;

/// <summary>The instances of one service, ordered by id, and the index of their latest change.</summary>
internal sealed record ServiceGroup(string Name, ImmutableArray<InstanceRecord> Instances, ulong Index)
{
    public ServiceGroup With(InstanceRecord instance, ulong index)
    {
        var position = Find(instance.Id);
        var instances = position >= 0 ? Instances.SetItem(position, instance) : Instances.Insert(~position, instance);
        return this with { Instances = instances, Index = index };
    }

    public ServiceGroup Without(string id, ulong index)
    {
        var position = Find(id);
        return position < 0 ? this : this with { Instances = Instances.RemoveAt(position), Index = index };
    }

    private int Find(string id)
    {
        int low = 0, high = Instances.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var order = string.CompareOrdinal(Instances[middle].Id, id);
            if (order == 0)
            {
                return middle;
            }

            if (order < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return ~low;
    }
}
