namespace MeshClient.Configuration;

/// <summary>When instances of one service are left out: what is in force once defaults and overrides are put together. Immutable.</summary>
internal sealed record HealthSettings
{
    public required int ConsecutiveFailures { get; init; }

    public required double SuccessRate { get; init; }

    public required double OutlierDeviation { get; init; }

    public required double FailurePercentage { get; init; }

    public required TimeSpan BaseEjection { get; init; }

    public required TimeSpan MaxEjection { get; init; }

    public required int MaxEjectionPercent { get; init; }

    public required int PanicPercent { get; init; }

    public required TimeSpan ConnectBackoff { get; init; }

    public required TimeSpan MaxConnectBackoff { get; init; }

    public required ProbeSettings Probe { get; init; }

    public static HealthSettings For(MeshHealthOptions? own, MeshHealthOptions common) => new()
    {
        ConsecutiveFailures = own?.ConsecutiveFailures ?? common.ConsecutiveFailures ?? MeshDefaults.ConsecutiveFailures,
        SuccessRate = own?.SuccessRate ?? common.SuccessRate ?? MeshDefaults.SuccessRate,
        OutlierDeviation = own?.OutlierDeviation ?? common.OutlierDeviation ?? MeshDefaults.OutlierDeviation,
        FailurePercentage = own?.FailurePercentage ?? common.FailurePercentage ?? MeshDefaults.FailurePercentage,
        BaseEjection = own?.BaseEjection ?? common.BaseEjection ?? MeshDefaults.BaseEjection,
        MaxEjection = own?.MaxEjection ?? common.MaxEjection ?? MeshDefaults.MaxEjection,
        MaxEjectionPercent = own?.MaxEjectionPercent ?? common.MaxEjectionPercent ?? MeshDefaults.MaxEjectionPercent,
        PanicPercent = own?.PanicPercent ?? common.PanicPercent ?? MeshDefaults.PanicPercent,
        ConnectBackoff = own?.ConnectBackoff ?? common.ConnectBackoff ?? MeshDefaults.ConnectBackoff,
        MaxConnectBackoff = own?.MaxConnectBackoff ?? common.MaxConnectBackoff ?? MeshDefaults.MaxConnectBackoff,
        Probe = ProbeSettings.For(own?.Probe, common.Probe),
    };
}

/// <summary>How instances of one service are checked. Immutable.</summary>
internal sealed record ProbeSettings
{
    private const string DefaultPath = "/healthz";

    public required ProbeKind Kind { get; init; }

    public required TimeSpan Interval { get; init; }

    public required TimeSpan Timeout { get; init; }

    public required int UnhealthyThreshold { get; init; }

    public required int HealthyThreshold { get; init; }

    public required string Path { get; init; }

    public required string GrpcService { get; init; }

    public required TimeSpan IdleTimeout { get; init; }

    public static ProbeSettings For(MeshProbeOptions? own, MeshProbeOptions common) => new()
    {
        Kind = own?.Kind ?? common.Kind ?? ProbeKind.Off,
        Interval = own?.Interval ?? common.Interval ?? MeshDefaults.ProbeInterval,
        Timeout = own?.Timeout ?? common.Timeout ?? MeshDefaults.ProbeTimeout,
        UnhealthyThreshold = own?.UnhealthyThreshold ?? common.UnhealthyThreshold ?? MeshDefaults.ProbeUnhealthyThreshold,
        HealthyThreshold = own?.HealthyThreshold ?? common.HealthyThreshold ?? MeshDefaults.ProbeHealthyThreshold,
        Path = own?.Path ?? common.Path ?? DefaultPath,
        GrpcService = own?.GrpcService ?? common.GrpcService ?? string.Empty,
        IdleTimeout = own?.IdleTimeout ?? common.IdleTimeout ?? MeshDefaults.ProbeIdleTimeout,
    };
}
