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
    private readonly ConnectionContext _connection;
    private readonly SslStream _tls;
    private readonly TlsTurns _turns;
    private readonly Writer _output;
    private bool _isWriteClosed;

    public AcceptedTransport(ConnectionContext connection, SslStream tls, TlsTurns turns, SourceCount count)
    {
        var inner = connection.Transport;
        _connection = connection;
        _tls = tls;
        _turns = turns;
        // The handshake has read as well, and nobody reads now.
        turns.Leave();
        Input = new Reader(inner.Input, turns, count);
        _output = new Writer(inner.Output, this, count);
    }

    public PipeReader Input { get; }

    public PipeWriter Output => _output;

    /// <summary>Ends the sending side, once. What was written before is sent before.</summary>
    public async ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        if (!Interlocked.Exchange(ref _isWriteClosed, true))
        {
            await _output.FlushInnerAsync(cancellationToken).ConfigureAwait(false);
            await _turns.ShutdownAsync(_tls, cancellationToken).ConfigureAwait(false);
        }
    }

    private sealed class Reader(PipeReader inner, TlsTurns turns, SourceCount count) : PipeReader
    {
        private ReadOnlySequence<byte> _buffer;

        public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            turns.Enter();
            try
            {
                var result = await inner.ReadAsync(cancellationToken).ConfigureAwait(false);
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
            if (!inner.TryRead(out result))
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
            inner.AdvanceTo(consumed, examined);
        }

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);
    }

    private sealed class Writer(PipeWriter inner, AcceptedTransport owner, SourceCount count) : PipeWriter
    {
        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

        public override long UnflushedBytes => inner.UnflushedBytes;

        public override void Advance(int bytes)
        {
            inner.Advance(bytes);
            count.Sent(bytes);
        }

        public override Memory<byte> GetMemory(int sizeHint = 0)
        {
            ThrowIfClosed();
            return inner.GetMemory(sizeHint);
        }

        public override Span<byte> GetSpan(int sizeHint = 0)
        {
            ThrowIfClosed();
            return inner.GetSpan(sizeHint);
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            ThrowIfClosed();
            count.Sent(source.Length);
            return inner.WriteAsync(source, cancellationToken);
        }

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => _ = CompleteAsync(exception).AsTask();

        // The pipe below stays open: it is the server's, which completes it when the connection ends.
        public override async ValueTask CompleteAsync(Exception? exception = null)
        {
            if (exception is not null)
            {
                // An end in order would say that what came before it is all there is.
                owner._connection.Abort(new ConnectionAbortedException("The app completed the output with an error.", exception));
                return;
            }

            try
            {
                await owner.CloseWriteAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or InvalidOperationException)
            {
                // The peer is gone; the reading side tells.
            }
        }

        public ValueTask<FlushResult> FlushInnerAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        private void ThrowIfClosed()
        {
            if (owner._isWriteClosed)
            {
                throw new InvalidOperationException("Nothing can be written any more: the output has been completed.");
            }
        }
    }
}
