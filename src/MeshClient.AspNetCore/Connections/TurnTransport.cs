using System.IO.Pipelines;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// What the server's TLS reads from; gives the reader's turn away while there is nothing to decrypt. The counterpart of
/// <see cref="TlsTurnStream"/> for a connection that consists of pipes.
/// </summary>
internal sealed class TurnTransport(IDuplexPipe inner, TlsTurns turns) : IDuplexPipe
{
    public PipeReader Input { get; } = new TurnReader(inner.Input, turns);

    public PipeWriter Output => inner.Output;

    public static void PutUnder(ConnectionContext connection)
    {
        var turns = new TlsTurns();
        connection.Features.Set(turns);
        connection.Transport = new TurnTransport(connection.Transport, turns);
    }

    private sealed class TurnReader(PipeReader inner, TlsTurns turns) : PipeReader
    {
        public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            turns.Leave();
            try
            {
                return await inner.ReadAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                turns.Enter();
            }
        }

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);
    }
}
