using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// The inside of an accepted connection, as the app sees it: counts what passes, and has each direction end by itself. Completing
/// the output sends <c>close_notify</c>; the server alone would say nothing until the whole connection ends.
/// </summary>
internal sealed class AcceptedTransport : IDuplexPipe
{
    private readonly AcceptedWriter _output;

    public AcceptedTransport(ConnectionContext connection, SslStream tls, TlsTurns turns, SourceCount count)
    {
        var inner = connection.Transport;
        // The handshake has read as well, and nobody reads now.
        turns.Leave();
        Input = new Reader(inner.Input, turns, count);
        _output = new AcceptedWriter(inner.Output, connection, tls, turns, count);
    }

    public PipeReader Input { get; }

    public PipeWriter Output => _output;

    /// <inheritdoc cref="AcceptedWriter.EndAsync()"/>
    public Task EndOutputAsync() => _output.EndAsync();

    /// <inheritdoc cref="AcceptedWriter.SettleAsync"/>
    public ValueTask SettleOutputAsync(TimeSpan limit, TimeProvider time) => _output.SettleAsync(limit, time);

    private sealed class Reader(PipeReader inner, TlsTurns turns, SourceCount count) : PipeReaderOver(inner)
    {
        private ReadOnlySequence<byte> _buffer;

        public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            turns.Enter();
            try
            {
                var result = await Inner.ReadAsync(cancellationToken).ConfigureAwait(false);
                _buffer = result.Buffer;
                return result;
            }
            finally
            {
                turns.Leave();
            }
        }

        public override bool TryRead(out ReadResult result)
        {
            if (!Inner.TryRead(out result))
            {
                return false;
            }

            _buffer = result.Buffer;
            return true;
        }

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            // What is looked at and left is read again.
            count.Received(_buffer.Slice(_buffer.Start, consumed).Length);
            _buffer = default;
            Inner.AdvanceTo(consumed, examined);
        }
    }
}
