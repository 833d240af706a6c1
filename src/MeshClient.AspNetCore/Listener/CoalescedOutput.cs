using System.Buffers;
using System.IO.Pipelines;
using MeshClient.Transport;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// The sending side of an HTTP/2 connection, gathered by a <see cref="WriteCoalescer"/>. What is flushed has been taken over, but not
/// necessarily sent.
/// </summary>
internal sealed class CoalescedOutput : PipeWriter
{
    // In bytes, as the server's own blocks. Borrowed until it has been sent: a connection between answers has none.
    private const int BlockSize = 4096;

    // Less is not worth being asked for.
    private const int LeastSpace = 256;

    private readonly PipeWriter _inner;
    private readonly WriteCoalescer _coalescer;
    private byte[] _buffer = [];
    private int _count;
    private bool _isCompleted;

    /// <param name="inner">Where it goes. Not used by anybody else from now on, but to be completed.</param>
    /// <param name="isShared">See <see cref="WriteCoalescer"/>.</param>
    /// <param name="time">The clock.</param>
    /// <param name="broken">Called when something could not be written.</param>
    /// <param name="queue">See <see cref="WriteCoalescer"/>.</param>
    public CoalescedOutput(PipeWriter inner, Func<bool> isShared, TimeProvider time, Action broken, Action<IThreadPoolWorkItem>? queue = null)
    {
        _inner = inner;
        _coalescer = new WriteCoalescer(WriteAsync, isShared, time, broken, queue);

        ValueTask WriteAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
        {
            var writing = inner.WriteAsync(piece, cancellationToken);
            if (!writing.IsCompletedSuccessfully)
            {
                return AwaitAsync(writing);
            }

            ThrowIfCanceled(writing.Result);
            return ValueTask.CompletedTask;
        }
    }

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _count;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        if (_isCompleted)
        {
            throw new InvalidOperationException("Nothing can be written any more: the output has been completed.");
        }

        if (_buffer.Length - _count < Math.Max(sizeHint, LeastSpace))
        {
            Grow(Math.Max(sizeHint, LeastSpace));
        }

        return _buffer.AsMemory(_count);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _buffer.Length - _count);
        _count += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (_count == 0)
        {
            return default;
        }

        // It may be read from until it has been written, and for ever where that failed: then it is not given back.
        var buffer = _buffer;
        var piece = buffer.AsMemory(0, _count);
        (_buffer, _count) = ([], 0);
        try
        {
            var writing = _coalescer.WriteAsync(piece, cancellationToken);
            if (!writing.IsCompletedSuccessfully)
            {
                return AwaitAsync(writing, buffer, cancellationToken);
            }
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromResult(Gone);
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return default;
    }

    public override void CancelPendingFlush() => _inner.CancelPendingFlush();

    // What is below is the server's, which completes it when the connection has ended.
    public override void Complete(Exception? exception = null) => _ = CompleteAsync(exception).AsTask();

    public override async ValueTask CompleteAsync(Exception? exception = null)
    {
        if (!_isCompleted)
        {
            _isCompleted = true;
            if (exception is null)
            {
                await FlushAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sends what is held, and waits for it, but not for ever. Nothing is taken from then on.</summary>
    /// <param name="limit">For how long.</param>
    /// <param name="time">The clock.</param>
    public async ValueTask SettleAsync(TimeSpan limit, TimeProvider time)
    {
        try
        {
            await _coalescer.FlushAsync().AsTask().WaitAsync(limit, time).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The peer is gone, or does not read.
        }

        _coalescer.Close();
    }

    // As of a reader that has gone, which is what the server expects of a connection that broke.
    private static FlushResult Gone => new(isCanceled: false, isCompleted: true);

    private static async ValueTask AwaitAsync(ValueTask<FlushResult> writing) => ThrowIfCanceled(await writing.ConfigureAwait(false));

    // Nobody can tell how much of it was sent.
    private static void ThrowIfCanceled(FlushResult result)
    {
        if (result.IsCanceled)
        {
            throw new OperationCanceledException("Writing to the connection was cancelled.");
        }
    }

    private static async ValueTask<FlushResult> AwaitAsync(ValueTask writing, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            await writing.ConfigureAwait(false);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return Gone;
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return default;
    }

    private void Grow(int space)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_count + space, BlockSize));
        _buffer.AsSpan(0, _count).CopyTo(larger);
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        _buffer = larger;
    }
}
