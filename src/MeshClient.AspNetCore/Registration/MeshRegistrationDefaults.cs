namespace MeshClient.AspNetCore.Registration;

/// <summary>The values of <see cref="MeshRegistrationOptions"/> that hold when nobody says otherwise, each with where it comes from.</summary>
public static class MeshRegistrationDefaults
{
    /// <summary>15 s: with a beat every 5 s two may be lost; a hung instance is out of use as fast as with Consul's common 10 s checks.</summary>
    public static readonly TimeSpan TimeToLive = TimeSpan.FromSeconds(15);

    /// <summary>1 min: the least Consul acts on (DeregisterCriticalServiceAfter).</summary>
    public static readonly TimeSpan DeregisterAfter = TimeSpan.FromMinutes(1);

    /// <summary>2 s: a watch is answered within milliseconds; this leaves time for one that has to reconnect.</summary>
    public static readonly TimeSpan DrainDelay = TimeSpan.FromSeconds(2);

    /// <summary>10 s: with the delay well below the host's own 30 s for shutting down (HostOptions.ShutdownTimeout).</summary>
    public static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(10);

    /// <summary>5 s: how long one call to the registry may take.</summary>
    public static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);
}
