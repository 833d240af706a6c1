using MeshClient.Configuration;

namespace MeshClient.Identity;

/// <summary>How certificates are treated, as in force. Described at <see cref="MeshIdentityOptions"/>.</summary>
internal sealed record IdentitySettings
{
    public TimeSpan ExpiryGrace { get; init; } = MeshDefaults.ExpiryGrace;

    public TimeSpan ClockAllowance { get; init; } = MeshDefaults.ClockAllowance;

    /// <summary>Over what time connections are replaced whose peer's root is trusted no longer.</summary>
    public TimeSpan RotationSpread { get; init; } = MeshDefaults.RotationSpread;

    public static IdentitySettings For(MeshOptions options) => new()
    {
        ExpiryGrace = options.Identity.ExpiryGrace,
        ClockAllowance = options.Identity.ClockAllowance,
        RotationSpread = options.RotationSpread,
    };
}
