using System.IO.Pipelines;
using MeshClient.Dialing;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace MeshClient.AspNetCore.Listener;

/// <summary>Gathers the answers of HTTP/2 connections above TLS: the server hands each one down by itself, to be encrypted by itself.</summary>
internal sealed class AnswerCoalescing(TimeProvider time)
{
    private readonly WaitingWork _waiting = new(time, static () => ThreadPool.PendingWorkItemCount);

    /// <summary>Does so for the connections of a listener.</summary>
    public void Use(ListenOptions listener) => listener.Use(next => connection =>
        connection.Features.Get<ITlsApplicationProtocolFeature>() is { } agreed && agreed.ApplicationProtocol.Span.SequenceEqual("h2"u8)
            ? ServeAsync(connection, next)
            : next(connection));

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var output = new CoalescedOutput(connection.Transport.Output, _waiting.WasSeen, time, connection.Abort);
        connection.Transport = new Transport(connection.Transport.Input, output);
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

    private sealed record Transport(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
