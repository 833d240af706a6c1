using System.Net;
using System.Net.Sockets;

namespace MeshClient.TestSupport;

/// <summary>Ports of 127.0.0.1 for programs that have to be told theirs. Somebody else may take one before they bind it.</summary>
internal static class FreePorts
{
    /// <summary>Finds some, all different.</summary>
    public static int[] Find(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
        listeners.ForEach(listener => listener.Start());
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        listeners.ForEach(listener => listener.Dispose());
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
