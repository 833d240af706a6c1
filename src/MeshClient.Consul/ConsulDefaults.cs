namespace MeshClient.Consul;

/// <summary>The defaults of <see cref="ConsulOptions"/> and the limits that are not settings.</summary>
internal static class ConsulDefaults
{
    /// <summary>Where a local agent listens.</summary>
    public static readonly Uri Address = new("http://127.0.0.1:8500");

    /// <summary>What Consul itself takes when a blocking query names no wait.</summary>
    public static readonly TimeSpan Wait = TimeSpan.FromMinutes(5);

    /// <summary>Shorter waits would be polling.</summary>
    public static readonly TimeSpan MinWait = TimeSpan.FromSeconds(1);

    /// <summary>Consul cuts longer waits to this.</summary>
    public static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(10);

    /// <summary>A little more than the 7 s Consul itself waits for a leader before it says that it has none.</summary>
    public static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(10);

    public const int MaxParkedQueries = 64;

    /// <summary>Leaves room for <see cref="SpareConnections"/> below the 200 connections Consul allows one client address.</summary>
    public const int GreatestMaxParkedQueries = 180;

    /// <summary>Connections for what must not wait behind parked queries: first reads, heartbeats, registrations.</summary>
    public const int SpareConnections = 16;

    /// <summary>A local agent answers a connect at once or not at all; this is for agents behind a slow network.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Ten thousand instances with metadata are about 20 MiB; what is larger is no registry's answer.</summary>
    public const int MaxAnswerBytes = 64 * 1024 * 1024;

    /// <summary>So that a change of the address behind a host name is noticed.</summary>
    public static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(10);

    /// <summary>
    /// When there are more watches than slots: how often each of them gets its turn. What a change may be late is about this.
    /// </summary>
    public static readonly TimeSpan RotationPeriod = TimeSpan.FromSeconds(10);

    /// <summary>How late a change may be seen that does not wake the query parked for its service (see <c>InstanceReader</c>).</summary>
    public static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(30);
}
