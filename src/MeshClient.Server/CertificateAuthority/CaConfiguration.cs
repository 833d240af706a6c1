namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// How the authority works. Durations keep the text they were written in, because Consul gives it back that way.
/// </summary>
internal sealed record CaConfiguration
{
    public static readonly TimeSpan MinLeafLifetime = TimeSpan.FromHours(1);
    public static readonly TimeSpan MaxLeafLifetime = TimeSpan.FromHours(8760);

    public required TimeSpan LeafLifetime { get; init; }

    public required string LeafLifetimeText { get; init; }

    public string RotationPeriodText { get; init; } = "2160h";

    public string IntermediateLifetimeText { get; init; } = "8760h";

    /// <summary>The kind of key asked for, <c>ec</c> or <c>rsa</c>; null when nothing was asked for.</summary>
    public string? PrivateKeyType { get; init; }

    public int? PrivateKeyBits { get; init; }

    /// <summary>How many certificates are signed in a second; 0: as many as are asked for; null: as the options say.</summary>
    public double? MaxSignedPerSecond { get; init; }

    /// <summary>How many are signed at a time; 0: no limit. With one, the limit per second does not count (Consul's rule).</summary>
    public int MaxSignedConcurrently { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }
}
