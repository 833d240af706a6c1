using System.IO.Pipelines;
using MeshClient.AspNetCore.Connections;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// Leaves an HTTP/2 connection that was asked to end, by a drain or because of a certificate, open after its last answer, until the
/// caller has closed it or a second is over. The caller may be about to send a request on it: it has to find the word that no more is
/// taken (GOAWAY), by which it knows that the request can be made elsewhere, and not a connection that is gone, of which nobody knows
/// what was executed.
/// </summary>
/// <remarks>
/// Known as lingering close (nginx, <c>lingering_close</c>; RFC 9112, section 9.6; for GOAWAY RFC 9113, section 6.8). What still comes
/// is thrown away.
/// On one that was asked to end before it was served at all, the same word is said here. The server would say it without its settings
/// before, which is no beginning of HTTP/2 (RFC 9113, section 3.4): callers give such a connection up as broken.
/// </remarks>
/// <param name="time">The clock.</param>
internal sealed class LingeringClose(TimeProvider time)
{
    // SETTINGS without any, and GOAWAY: no request was taken, and nothing is wrong (RFC 9113, sections 6.5 and 6.8).
    private static readonly byte[] Refusal = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>Does so for the connections of a listener.</summary>
    public void Use(IConnectionBuilder listener) => listener.Use(next => connection =>
        NegotiatedProtocol.IsHttp2(connection) ? ServeAsync(connection, next) : next(connection));

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var closing = ClosingRequest.Of(connection);
        var transport = connection.Transport;
        connection.Transport = new ConnectionEnds(new KeptReader(transport.Input), transport.Output);
        try
        {
            await (closing.IsCancellationRequested ? RefuseAsync(connection) : next(connection)).ConfigureAwait(false);
            // Of one that is closed already nothing can be read, and the server may have been left reading from it.
            if (closing.IsCancellationRequested && !connection.ConnectionClosed.IsCancellationRequested)
            {
                await LingerAsync(transport.Input).ConfigureAwait(false);
            }
        }
        finally
        {
            await transport.Input.CompleteAsync().ConfigureAwait(false);
        }
    }

    private static async Task RefuseAsync(ConnectionContext connection)
    {
        try
        {
            await connection.Transport.Output.WriteAsync(Refusal, connection.ConnectionClosed).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The caller is gone.
        }
    }

    private async Task LingerAsync(PipeReader input)
    {
        using var limit = new CancellationTokenSource(OpenedConnection.Farewell, time);
        try
        {
            ReadResult read;
            do
            {
                read = await input.ReadAsync(limit.Token).ConfigureAwait(false);
                input.AdvanceTo(read.Buffer.End);
            }
            while (!read.IsCompleted);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The time is over, or the connection has broken: either way it is closed now.
        }
    }

    // The server has done with it before we have.
    private sealed class KeptReader(PipeReader inner) : PipeReaderOver(inner)
    {
        public override void Complete(Exception? exception = null)
        {
        }

        public override ValueTask CompleteAsync(Exception? exception = null) => ValueTask.CompletedTask;
    }
}
