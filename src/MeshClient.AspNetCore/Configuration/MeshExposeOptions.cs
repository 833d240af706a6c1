using MeshClient.Configuration;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>
/// A program on this machine that this process stands in front of: connections that come over the mesh are handed on to it in
/// plain TCP. The process is then a copy of that program's service: <see cref="MeshOptions.Service"/> is its name.
/// </summary>
public sealed class MeshExposeOptions
{
    /// <summary>
    /// Where the program listens: <c>address:port</c> with an IP address of this machine's own or <c>localhost</c>; others only with
    /// <see cref="AllowRemote"/>. Null: there is none, and the mesh port is one for HTTP. Default: null.
    /// </summary>
    public string? Target { get; set; }

    /// <summary>
    /// Whether the program may be on another machine. What goes there is not protected. Default: false, then an address of another
    /// machine is an error at start.
    /// </summary>
    public bool AllowRemote { get; set; }

    /// <summary>
    /// How many connections may be open; more are refused. 1 to 100 000. Default: <see cref="MeshDefaults.ForwarderMaxConnections"/>.
    /// </summary>
    public int MaxConnections { get; set; } = MeshDefaults.ForwarderMaxConnections;

    /// <summary>
    /// After what time without a byte in either direction a connection is broken off. 1 s to 7 days. Null: never. Default: null.
    /// </summary>
    public TimeSpan? IdleTimeout { get; set; }

    /// <summary>How long connecting to the program may take. 10 ms to 5 min. Default: <see cref="MeshDefaults.ConnectTimeout"/>.</summary>
    public TimeSpan ConnectTimeout { get; set; } = MeshDefaults.ConnectTimeout;

    /// <summary>
    /// How often the program is looked at, by connecting to it: while it cannot be, this instance is out of use in the registry. A
    /// connection that could not be handed on has it looked at at once. 100 ms to 1 hour; 0: never. Default:
    /// <see cref="MeshInboundDefaults.ExposeCheckInterval"/>.
    /// </summary>
    public TimeSpan CheckInterval { get; set; } = MeshInboundDefaults.ExposeCheckInterval;
}
