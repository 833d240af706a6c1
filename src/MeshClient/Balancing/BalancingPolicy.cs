namespace MeshClient.Balancing;

/// <summary>How the instance of an attempt is chosen. All of them leave out what is ejected and what the call has tried.</summary>
public enum BalancingPolicy
{
    /// <summary>
    /// The one of two drawn at random that is expected to answer sooner, by its latencies and its calls in flight. Takes to slow
    /// instances least of all policies.
    /// </summary>
    PeakEwma,

    /// <summary>
    /// The one of two drawn at random with fewer calls in flight, per weight; as <see cref="PeakEwma"/> while one of them has lately
    /// failed or refused a call.
    /// </summary>
    LeastRequest,

    /// <summary>One after the other, whatever their weights.</summary>
    RoundRobin,

    /// <summary>In turn, each as often as its weight says, spread smoothly.</summary>
    WeightedRoundRobin,

    /// <summary>By chance, in proportion to the weights.</summary>
    Random,

    /// <summary>By a key of the call, on a ring: when instances come or go, few keys move.</summary>
    RingHash,

    /// <summary>By a key of the call, in a table: shares more evenly than a ring, moves a few more keys.</summary>
    Maglev,

    /// <summary>
    /// In turn, each as often as the load it reports about itself allows (<c>endpoint-load-metrics</c>): so callers that do not
    /// see each other share an instance's capacity. By the registry's weights while nothing is reported.
    /// </summary>
    ReportedLoad,
}

/// <summary>Whether instances in the caller's own zone are preferred.</summary>
public enum ZonePreference
{
    /// <summary>Zones are ignored.</summary>
    Off,

    /// <summary>
    /// As far as no zone gets more than its share: calls stay in the zone when it has as great a share of the instances as of
    /// the callers, else the rest goes to zones with instances to spare. Off while there are fewer than 6 instances, or while
    /// it is not known where the callers are (<c>Mesh:Service</c> is not set, or the registry lists none).
    /// </summary>
    Fair,

    /// <summary>All calls stay in the zone, and go elsewhere only as far as its instances are not healthy.</summary>
    Strict,
}
