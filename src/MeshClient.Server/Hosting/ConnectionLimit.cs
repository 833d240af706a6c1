using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Server.Hosting;

/// <summary>
/// Counts the open connections of each client address. A connection past the limit stays open for one answer, which says so:
/// Consul resets it, which clients cannot tell from a crash.
/// </summary>
internal sealed class ConnectionLimit(int perClient)
{
    private static readonly object ExceededKey = new();

    private readonly ConcurrentDictionary<IPAddress, int> _open = new();

    public ConnectionDelegate Wrap(ConnectionDelegate next) => async connection =>
    {
        if (connection.RemoteEndPoint is not IPEndPoint { Address: var client })
        {
            await next(connection).ConfigureAwait(false);
            return;
        }

        if (_open.AddOrUpdate(client, 1, static (_, count) => count + 1) > perClient)
        {
            connection.Items[ExceededKey] = perClient;
        }

        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            if (_open.AddOrUpdate(client, 0, static (_, count) => count - 1) == 0)
            {
                _open.TryRemove(new KeyValuePair<IPAddress, int>(client, 0));
            }
        }
    };

    public static void ThrowIfExceeded(HttpContext http)
    {
        if (http.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(ExceededKey, out var limit) == true)
        {
            http.Response.Headers.Connection = "close";
            throw new RequestRefusedException(
                StatusCodes.Status429TooManyRequests, $"Too many connections from this address, the limit is {limit}.");
        }
    }
}
