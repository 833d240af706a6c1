using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace MeshClient.TestSupport;

/// <summary>
/// Ports of 127.0.0.1 for programs that have to be told theirs, and for what stops and is there again. On Linux they are kept until
/// this process ends: nobody else is given one, and a program that asks for it by its number can have it, again and again. Elsewhere
/// somebody may take one before it is bound.
/// </summary>
internal static class FreePorts
{
    // A socket that is bound and does not listen: Linux gives its port to those only that name it, and lets them listen there when
    // both sockets have SO_REUSEADDR, as the runtime's have, and those of nearly all servers.
    private static readonly ConcurrentBag<Socket> Kept = [];

    /// <summary>Finds some, all different.</summary>
    public static int[] Find(int count)
    {
        var sockets = Enumerable.Range(0, count).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        sockets.ForEach(socket => socket.Bind(new IPEndPoint(IPAddress.Loopback, 0)));
        var ports = sockets.Select(socket => ((IPEndPoint)socket.LocalEndPoint!).Port).ToArray();
        sockets.ForEach(OperatingSystem.IsLinux() ? Kept.Add : socket => socket.Dispose());
        return ports;
    }

    /// <summary>Whether somebody listens on a port.</summary>
    public static async Task<bool> IsListenedOnAsync(int port, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
