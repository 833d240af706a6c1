using MeshClient.Balancing;

namespace MeshClient.Configuration;

/// <summary>How one service is balanced: what is in force once defaults and overrides are put together. Immutable.</summary>
internal sealed record BalancingSettings
{
    public required BalancingPolicy Policy { get; init; }

    public required string? HashKey { get; init; }

    public required double BoundedLoad { get; init; }

    public required int RingPoints { get; init; }

    public required int Aperture { get; init; }

    public required ZonePreference Zone { get; init; }

    public required TimeSpan SlowStart { get; init; }

    public required double SlowStartMinimum { get; init; }

    public required double SlowStartAggression { get; init; }

    public required TimeSpan ReportBlackout { get; init; }

    /// <summary>Whether a key of the call decides.</summary>
    public bool IsHashed => Policy is BalancingPolicy.RingHash or BalancingPolicy.Maglev;

    public static BalancingSettings For(MeshBalancingOptions? own, MeshBalancingOptions common) => new()
    {
        Policy = own?.Policy ?? common.Policy ?? BalancingPolicy.PeakEwma,
        HashKey = own?.HashKey ?? common.HashKey,
        BoundedLoad = own?.BoundedLoad ?? common.BoundedLoad ?? 0,
        RingPoints = own?.RingPoints ?? common.RingPoints ?? MeshDefaults.RingPoints,
        Aperture = own?.Aperture ?? common.Aperture ?? 0,
        Zone = own?.Zone ?? common.Zone ?? ZonePreference.Off,
        SlowStart = own?.SlowStart ?? common.SlowStart ?? TimeSpan.Zero,
        SlowStartMinimum = own?.SlowStartMinimum ?? common.SlowStartMinimum ?? MeshDefaults.SlowStartMinimum,
        SlowStartAggression = own?.SlowStartAggression ?? common.SlowStartAggression ?? MeshDefaults.SlowStartAggression,
        ReportBlackout = own?.ReportBlackout ?? common.ReportBlackout ?? MeshDefaults.ReportBlackout,
    };
}
