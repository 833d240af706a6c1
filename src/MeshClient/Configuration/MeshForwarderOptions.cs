namespace MeshClient.Configuration;

/// <summary>A port of this machine that leads to a service, for programs that know nothing of the mesh.</summary>
public sealed class MeshForwarderOptions
{
    /// <summary>
    /// Where to listen: <c>address:port</c> with an IP address of this machine's own (127.0.0.0/8, <c>[::1]</c>) or <c>localhost</c>;
    /// port 0 takes a free one. Others only with <see cref="AllowRemote"/>. There is no default.
    /// </summary>
    public string Listen { get; set; } = string.Empty;

    /// <summary>
    /// Whether other machines may connect. Whoever can connect acts with this process's identity, without proving anything. Default:
    /// false, then an address others could reach is an error at start.
    /// </summary>
    public bool AllowRemote { get; set; }

    /// <summary>
    /// How many connections may be open; more wait to be accepted until one ends. 1 to 100 000. Default:
    /// <see cref="MeshDefaults.ForwarderMaxConnections"/>.
    /// </summary>
    public int MaxConnections { get; set; } = MeshDefaults.ForwarderMaxConnections;

    /// <summary>
    /// After what time without a byte in either direction a connection is broken off. 1 s to 7 days. Null: never. Default: null,
    /// since the connections of a driver's pool are idle for long.
    /// </summary>
    public TimeSpan? IdleTimeout { get; set; }
}
