namespace MeshClient.Configuration;

/// <summary>How this process gets its certificate and how certificates are treated.</summary>
public sealed class MeshIdentityOptions
{
    /// <summary>
    /// How long a connection may go on after a certificate it was made with has ended, this process's or its peer's, whichever
    /// ends first. It takes no new requests from before that moment on, and is closed at the latest when this time is over,
    /// whatever is under way on it. Not below <see cref="ClockAllowance"/>. 0 to 1 hour. Default:
    /// <see cref="MeshDefaults.ExpiryGrace"/>.
    /// </summary>
    public TimeSpan ExpiryGrace { get; set; } = MeshDefaults.ExpiryGrace;

    /// <summary>
    /// By how much a peer's certificate may seem to begin too late or to have ended, because clocks differ. 0 to 5 min. Default:
    /// <see cref="MeshDefaults.ClockAllowance"/>.
    /// </summary>
    public TimeSpan ClockAllowance { get; set; } = MeshDefaults.ClockAllowance;
}
