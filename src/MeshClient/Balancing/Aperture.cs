using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Which part of a large fleet this process calls, so that an instance has connections from a few callers and a caller to a few
/// instances, and still all instances together get equal shares.
/// </summary>
/// <remarks>
/// Deterministic, when it is known that this process is the i-th of C callers (Finagle, DeterministicAperture): callers and
/// instances are laid out on two rings of length 1. The caller looks from i/C over a width that is a whole number of callers'
/// spaces, at least the aperture; the instances whose pieces it sees are its own, those at the edges by the part it sees. The
/// callers' views together cover every piece equally often.
/// By rendezvous, when it is not (gRPC A68): every instance is hashed with a seed of this process's own, and those with the
/// greatest hashes are taken. Even only on average, but an instance that comes or goes changes one place at most.
/// </remarks>
internal static class Aperture
{
    /// <summary>Cuts by rank.</summary>
    /// <param name="rank">This process's place among the callers, from 0.</param>
    /// <param name="callers">How many callers there are; more than the rank.</param>
    /// <param name="instances">How many instances there are.</param>
    /// <param name="size">How many instances are wanted.</param>
    /// <returns>Which instances, in the order all callers know them, and which part of each, above 0 up to 1.</returns>
    public static IReadOnlyList<(int Index, double Part)> ByRank(int rank, int callers, int instances, int size)
    {
        var spaces = Math.Ceiling((double)size / instances * callers);
        if (spaces >= callers)
        {
            return [.. Enumerable.Range(0, instances).Select(i => (i, 1.0))];
        }

        var from = (double)rank / callers * instances;
        var to = from + (spaces / callers * instances);
        var seen = new SortedDictionary<int, double>();
        for (var piece = (int)from; piece < to; piece++)
        {
            // Nearly all round, the first piece is seen again from its other side.
            seen[piece % instances] = seen.GetValueOrDefault(piece % instances) + Math.Min(to, piece + 1) - Math.Max(from, piece);
        }

        // What two sums of fractions leave between edges that are the same is no part.
        return [.. seen.Where(pair => pair.Value > 1e-9).Select(pair => (pair.Key, pair.Value))];
    }

    /// <summary>Cuts by the hashes of names.</summary>
    /// <param name="seed">This process's own.</param>
    /// <param name="names">The instances' names.</param>
    /// <param name="size">How many instances are wanted.</param>
    public static IReadOnlyList<(int Index, double Part)> ByRendezvous(ulong seed, IReadOnlyList<string> names, int size) =>
    [
        .. Enumerable.Range(0, names.Count)
            .OrderByDescending(i => XxHash64.Hash(names[i], seed))
            .Take(size)
            .Order()
            .Select(i => (i, 1.0)),
    ];
}

/// <summary>Stays within an aperture while it has a good instance, and goes anywhere when it has not.</summary>
/// <param name="inside">The picker of the instances in the aperture.</param>
/// <param name="all">All instances.</param>
internal sealed class AperturePicker(InstancePicker inside, InstanceState[] all) : InstancePicker
{
    public override InstanceState? TryPick(in PickCall call) => inside.TryPick(call) ?? AnyGood(all, call);
}
