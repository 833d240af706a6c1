using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// By a key of the call: calls with the same key go to the same instance, for as long as it is good, from whatever caller. A call
/// without a key goes to a random one. When the key's instance is ejected, tried or full, the next in the key's own order is
/// taken, so its keys spread over the others and come back to it afterwards; keys of others do not move.
/// </summary>
internal abstract class HashPicker(InstanceState[] instances, HashKey key, LoadBound? bound) : InstancePicker
{
    // How many of a key's order are looked at before the list is walked; with half the instances out, 1 in 65 536 keys gets there.
    private const int MaxProbes = 16;

    public override InstanceState? TryPick(in PickCall call)
    {
        if (instances.Length == 0)
        {
            return null;
        }

        var hash = (call.Request is { } request ? key.Of(request) : null) ?? call.Random.NextBits();
        var allowance = bound?.Allowance(call) ?? 0;
        var full = -1;
        var place = Find(hash);
        for (var probe = 0; probe < MaxProbes; probe++)
        {
            var index = At(place, hash, probe);
            if (call.IsGood(instances[index]))
            {
                if (bound?.HasRoom(index, allowance) != false)
                {
                    return instances[index];
                }

                full = full < 0 ? index : full;
            }
        }

        return Walk(hash, allowance, call) ?? (full >= 0 ? instances[full] : null);
    }

    /// <summary>Where a key's order begins.</summary>
    protected abstract int Find(ulong hash);

    /// <summary>The index of an instance in a key's order; the same one may come again.</summary>
    protected abstract int At(int place, ulong hash, int probe);

    // From a place of the key's own, so that the keys of one that is out do not all go to its neighbour.
    private InstanceState? Walk(ulong hash, double allowance, in PickCall call)
    {
        var start = (int)(XxHash64.Mix(hash) % (uint)instances.Length);
        InstanceState? full = null;
        for (var i = 0; i < instances.Length; i++)
        {
            var index = (start + i) % instances.Length;
            if (call.IsGood(instances[index]))
            {
                if (bound?.HasRoom(index, allowance) != false)
                {
                    return instances[index];
                }

                full ??= instances[index];
            }
        }

        return full;
    }

    /// <summary>What an instance is hashed by: its address, which all callers know it by.</summary>
    protected static string NameOf(InstanceState instance) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{instance.Endpoint.Host}:{instance.Endpoint.Port}");
}
