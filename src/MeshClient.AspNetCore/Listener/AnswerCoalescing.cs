using MeshClient.AspNetCore.Connections;
using MeshClient.Dialing;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// Gathers the answers of HTTP/2 connections above TLS: the server hands each one down by itself, to be encrypted by itself. Not of a
/// connection that is to be closed: what came last would go out right before its end, and a peer that is still sending can lose what it has
/// not read by then.
/// </summary>
/// <param name="waiting">Whether more answers are about to come.</param>
/// <param name="time">The clock.</param>
/// <param name="queue">See <see cref="WriteCoalescer"/>.</param>
internal sealed class AnswerCoalescing(WaitingWork waiting, TimeProvider time, Action<IThreadPoolWorkItem>? queue = null)
{
    /// <summary>Does so for the connections of a listener.</summary>
    public void Use(IConnectionBuilder listener) => listener.Use(next => connection =>
        NegotiatedProtocol.IsHttp2(connection) ? ServeAsync(connection, next) : next(connection));

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var closing = ClosingRequest.Of(connection);
        var output = new CoalescedOutput(
            connection.Transport.Output, () => !closing.IsCancellationRequested && waiting.WasSeen(), time, connection.Abort, queue);
        connection.Transport = new ConnectionEnds(connection.Transport.Input, output);
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            // Before TLS ends: the server's last words may be among what is held.
            await output.SettleAsync(OpenedConnection.Farewell, time).ConfigureAwait(false);
        }
    }
}
