using System.IO.Pipelines;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// What the server's TLS reads from; gives the reader's turn away while there is nothing to decrypt. The counterpart of
/// <see cref="TlsTurnStream"/> for a connection that consists of pipes.
/// </summary>
internal sealed class TurnReader(PipeReader inner, TlsTurns turns) : PipeReaderOver(inner)
{
    public static void PutUnder(ConnectionContext connection)
    {
        var turns = new TlsTurns();
        connection.Features.Set(turns);
        connection.Transport = new ConnectionEnds(new TurnReader(connection.Transport.Input, turns), connection.Transport.Output);
    }

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        turns.Leave();
        try
        {
            return await Inner.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turns.Enter();
        }
    }
}
