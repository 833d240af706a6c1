using System.IO.Pipelines;
using System.Net.Security;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// The sending side of an accepted connection. Its end comes after what is being written at that moment, never beside it: the pipe
/// below hands on to a TLS session, and neither is made for two that write.
/// </summary>
/// <remarks>
/// A write that was given up has left a piece of unknown length in the session, and the pipe below would send that piece again. So
/// nothing follows it, and the connection is broken off instead of brought to an end: the peer must not take the piece for the whole.
/// </remarks>
internal sealed class AcceptedWriter(PipeWriter inner, ConnectionContext connection, SslStream tls, TlsTurns turns, SourceCount count)
    : PipeWriter
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _written;
    private TaskCompletionSource? _ended;
    private bool _isWriting;
    private bool _isClosed;
    private bool _isTorn;

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

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                // Whoever closed it has sent, or sends, what there was.
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: true));
            }

            BeginWrite_NeedsLock();
        }

        try
        {
            return ObserveAsync(inner.FlushAsync(cancellationToken));
        }
        catch
        {
            EndWrite(isWhole: false);
            throw;
        }
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            ThrowIfClosed();
            BeginWrite_NeedsLock();
        }

        count.Sent(source.Length);
        try
        {
            return ObserveAsync(inner.WriteAsync(source, cancellationToken));
        }
        catch
        {
            EndWrite(isWhole: false);
            throw;
        }
    }

    public override void CancelPendingFlush()
    {
        lock (_lock)
        {
            if (_isClosed && !_isWriting)
            {
                // What is sent now is what there was when it was closed, and whoever closed it wants all of it sent.
                return;
            }
        }

        inner.CancelPendingFlush();
    }

    public override void Complete(Exception? exception = null) => _ = CompleteAsync(exception).AsTask();

    // The pipe below stays open: it is the server's, which completes it when the connection ends.
    public override async ValueTask CompleteAsync(Exception? exception = null)
    {
        if (exception is not null)
        {
            // An end in order would say that what came before it is all there is.
            lock (_lock)
            {
                _isClosed = true;
            }

            connection.Abort(new ConnectionAbortedException("The app completed the output with an error.", exception));
            return;
        }

        try
        {
            await EndAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException)
        {
            // The peer is gone; the reading side tells.
        }
    }

    /// <summary>Ends the sending side, once, by <c>close_notify</c>. What was written before, and what is being written, is sent before.</summary>
    /// <exception cref="IOException">The peer is gone, or what was written before was given up.</exception>
    /// <exception cref="InvalidOperationException">It has been ended otherwise.</exception>
    public Task EndAsync()
    {
        TaskCompletionSource ended;
        Task written;
        lock (_lock)
        {
            if (_ended is not null)
            {
                return _ended.Task;
            }

            if (_isClosed)
            {
                return Task.CompletedTask;
            }

            _isClosed = true;
            ended = _ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            written = Written_NeedsLock();
        }

        _ = EndAsync(written, ended);
        return ended.Task;
    }

    /// <summary>
    /// Takes the session away from whoever still writes, before the server takes it down: nothing is begun any more, and what is
    /// under way is broken off.
    /// </summary>
    /// <param name="limit">How long what is under way may take to notice.</param>
    /// <param name="time">The clock.</param>
    public async ValueTask SettleAsync(TimeSpan limit, TimeProvider time)
    {
        Task settled;
        lock (_lock)
        {
            _isClosed = true;
            settled = Task.WhenAll(Written_NeedsLock(), _ended?.Task ?? Task.CompletedTask);
        }

        if (!settled.IsCompleted)
        {
            connection.Abort(new ConnectionAbortedException("The app has left the connection while something was being written to it."));
            settled = settled.WaitAsync(limit, time);
        }

        await settled.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task EndAsync(Task written, TaskCompletionSource ended)
    {
        try
        {
            await written.ConfigureAwait(false);
            if (_isTorn || await IsLastFlushCutShortAsync().ConfigureAwait(false))
            {
                connection.Abort(new ConnectionAbortedException("The app gave up something that was being written."));
                throw new IOException("What was written last was given up, so the connection has no end in order.");
            }

            await turns.ShutdownAsync(tls, CancellationToken.None).ConfigureAwait(false);
            ended.SetResult();
        }
        catch (Exception e)
        {
            ended.SetException(e);
            // Nobody has to look at it.
            _ = ended.Task.Exception;
        }
    }

    // By a CancelPendingFlush from before it was closed, which holds for the next flush, or because nobody reads the pipe below.
    private async ValueTask<bool> IsLastFlushCutShortAsync()
    {
        var last = await inner.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        return last.IsCanceled || last.IsCompleted;
    }

    private ValueTask<FlushResult> ObserveAsync(ValueTask<FlushResult> write)
    {
        if (!write.IsCompletedSuccessfully)
        {
            return AwaitAsync(write);
        }

        var result = write.Result;
        EndWrite(isWhole: !result.IsCanceled);
        return new ValueTask<FlushResult>(result);
    }

    private async ValueTask<FlushResult> AwaitAsync(ValueTask<FlushResult> write)
    {
        var isWhole = false;
        try
        {
            var result = await write.ConfigureAwait(false);
            isWhole = !result.IsCanceled;
            return result;
        }
        finally
        {
            EndWrite(isWhole);
        }
    }

    private void BeginWrite_NeedsLock()
    {
        if (_isWriting)
        {
            throw new InvalidOperationException("Something is being written already.");
        }

        if (_isTorn)
        {
            throw new InvalidOperationException("Nothing can be written any more: what was written last was given up, and a piece of it may have been sent.");
        }

        _isWriting = true;
    }

    private void EndWrite(bool isWhole)
    {
        TaskCompletionSource? written;
        lock (_lock)
        {
            _isWriting = false;
            _isTorn |= !isWhole;
            written = _written;
        }

        written?.SetResult();
    }

    // To be asked for once it has been closed only: nothing is begun after that.
    private Task Written_NeedsLock()
    {
        if (!_isWriting)
        {
            return Task.CompletedTask;
        }

        _written ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _written.Task;
    }

    private void ThrowIfClosed()
    {
        if (Volatile.Read(ref _isClosed))
        {
            throw new InvalidOperationException("Nothing can be written any more: the output has been completed.");
        }
    }
}
