using System.Buffers;
using System.Runtime.ExceptionServices;

namespace MeshClient.Transport;

/// <summary>
/// Gathers the small writes of a busy HTTP/2 connection, at either end. To encrypt and send takes longer than to make a call or to answer
/// a simple one, so whoever writes what is there as soon as it can writes a few frames at a time while many more are about to come. Here they are held until
/// there is a fair amount of them or until the first has waited for <see cref="LongestHold"/>, which the next write sees or a look of the
/// thread pool's.
/// </summary>
/// <remarks>
/// Known as flush consolidation (Netty, <c>FlushConsolidationHandler</c>) and as interrupt moderation of network adapters, whose idea it
/// is to hold only under load: here while several calls share the connection and the last writes came closely one after another. A caller
/// by itself never waits.
/// One writer at a time, as of any stream.
/// </remarks>
internal sealed class WriteCoalescer : IThreadPoolWorkItem
{
    /// <summary>
    /// What is held at most before it is sent, and the longest write that is held at all, in bytes: some 30 small requests. What is longer
    /// costs more to encrypt than to send.
    /// </summary>
    public const int MostHeld = 1024;

    /// <summary>How long the first of what is held waits, as long as there are threads: no longer than it takes to send three times.</summary>
    public static readonly TimeSpan LongestHold = TimeSpan.FromMicroseconds(30);

    /// <summary>Nothing is held unless the last <see cref="RecentWrites"/> writes came within this time.</summary>
    public static readonly TimeSpan RecentTime = TimeSpan.FromMicroseconds(400);

    /// <summary>See <see cref="RecentTime"/>.</summary>
    public const int RecentWrites = 4;

    /// <summary>Whatever the clock says, so many looks end a hold: were it to stand still, the pool would be kept busy for ever.</summary>
    public const int MostLooks = 100;

    private readonly Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> _write;
    private readonly Func<bool> _isShared;
    private readonly TimeProvider _time;
    private readonly Action<IThreadPoolWorkItem> _queue;
    private readonly Action _broken;
    private readonly long _longestHold;
    private readonly long _recentTime;
    private readonly long[] _writes = new long[RecentWrites];
    private readonly Lock _lock = new();
    // Both are borrowed: a connection that is not busy has none.
    private byte[] _held = [];
    private byte[] _beingSent = [];
    private int _heldBytes;
    private long _heldSince;
    private int _nextWrite;
    private int _looks;
    private bool _isQueued;
    private bool _isSending;
    private TaskCompletionSource? _sent;
    private ExceptionDispatchInfo? _failure;

    /// <param name="write">Writes to the connection. Never called while an earlier call is under way.</param>
    /// <param name="isShared">Whether others are likely to write soon; while not, nothing is held. Asked only when the last writes were close.</param>
    /// <param name="time">The clock.</param>
    /// <param name="broken">Called once when something could not be written, unless closed: nobody may be waiting for that, and whatever came next would follow half of it.</param>
    /// <param name="queue">Has a work item run when a thread has nothing older to do, and never at once. Default: the thread pool.</param>
    public WriteCoalescer(
        Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write,
        Func<bool> isShared,
        TimeProvider time,
        Action broken,
        Action<IThreadPoolWorkItem>? queue = null)
    {
        _write = write;
        _isShared = isShared;
        _time = time;
        _queue = queue ?? (static look => ThreadPool.UnsafeQueueUserWorkItem(look, preferLocal: false));
        _broken = broken;
        _longestHold = (long)(LongestHold.TotalSeconds * time.TimestampFrequency);
        _recentTime = (long)(RecentTime.TotalSeconds * time.TimestampFrequency);
        Array.Fill(_writes, long.MinValue / 2);
    }

    /// <summary>Writes, or holds it to be written with what comes next.</summary>
    /// <param name="piece">What to write.</param>
    /// <param name="cancellationToken">Heeded by what goes out by itself: what is held goes out together.</param>
    /// <exception cref="IOException">It, or something before it, could not be written.</exception>
    /// <exception cref="ObjectDisposedException">It was closed.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        var now = _time.GetTimestamp();
        ReadOnlyMemory<byte> batch;
        lock (_lock)
        {
            _failure?.Throw();
            var isBusy = Note(now) && _isShared();
            if (piece.Length <= MostHeld && (isBusy || _heldBytes > 0 || _isSending))
            {
                Hold(piece.Span, now);
                if (_isSending)
                {
                    // Goes out as soon as that has; but not everything may pile up here.
                    return _heldBytes < MostHeld ? ValueTask.CompletedTask : Sent();
                }

                if (isBusy && _heldBytes < MostHeld && now - _heldSince <= _longestHold)
                {
                    QueueLook();
                    return ValueTask.CompletedTask;
                }

                batch = Take();
            }
            else if (_heldBytes == 0 && !_isSending)
            {
                batch = default;
            }
            else
            {
                return WriteAfterHeldAsync(piece, cancellationToken);
            }
        }

        return batch.IsEmpty ? WriteAloneAsync(piece, cancellationToken) : SendAsync(batch);
    }

    /// <summary>Writes what is held.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public ValueTask FlushAsync()
    {
        ReadOnlyMemory<byte> batch;
        lock (_lock)
        {
            _failure?.Throw();
            if (_isSending || _heldBytes == 0)
            {
                return _isSending ? Sent() : ValueTask.CompletedTask;
            }

            batch = Take();
        }

        return SendAsync(batch);
    }

    /// <summary>
    /// Begins to write what is held, without waiting for its end and whether or not it can be: for when the connection is about to be
    /// closed, and the last of what was written may tell the peer why. Nothing is written or held from now on.
    /// </summary>
    public void Close()
    {
        ReadOnlyMemory<byte> batch;
        lock (_lock)
        {
            _failure ??= ExceptionDispatchInfo.Capture(new ObjectDisposedException(nameof(WriteCoalescer)));
            if (_isSending || _heldBytes == 0)
            {
                return;
            }

            batch = Take();
        }

        _ = SendUnwatchedAsync(batch);
    }

    /// <summary>Looks, on a thread that has nothing older to do, whether what is held has waited long enough.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        ReadOnlyMemory<byte> batch = default;
        lock (_lock)
        {
            _isQueued = false;
            if (_heldBytes == 0 || _isSending)
            {
                return;
            }

            if (++_looks >= MostLooks || _time.GetTimestamp() - _heldSince > _longestHold)
            {
                batch = Take();
            }
        }

        if (!batch.IsEmpty)
        {
            _ = SendUnwatchedAsync(batch);
            return;
        }

        // Whoever is to answer may need this processor.
        Thread.Yield();
        lock (_lock)
        {
            QueueLook();
        }
    }

    // Nothing may come out of it, not even before its first wait: on a thread of the pool that would end the process.
    private async Task SendUnwatchedAsync(ReadOnlyMemory<byte> batch)
    {
        try
        {
            await SendAsync(batch).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Is kept in _failure, and told by the next write.
        }
    }

    private bool Note(long now)
    {
        ref var oldest = ref _writes[_nextWrite];
        _nextWrite = (_nextWrite + 1) % RecentWrites;
        var isBusy = now - oldest < _recentTime;
        oldest = now;
        return isBusy;
    }

    private void Hold(ReadOnlySpan<byte> piece, long now)
    {
        if (_heldBytes == 0)
        {
            _heldSince = now;
            _looks = 0;
            if (_held.Length == 0)
            {
                _held = ArrayPool<byte>.Shared.Rent(2 * MostHeld);
            }
        }

        piece.CopyTo(_held.AsSpan(_heldBytes));
        _heldBytes += piece.Length;
    }

    private void QueueLook()
    {
        if (!_isQueued && _heldBytes > 0)
        {
            _isQueued = true;
            _queue(this);
        }
    }

    // Whoever takes it sends it, and meanwhile nobody else sends.
    private ReadOnlyMemory<byte> Take()
    {
        var batch = _held.AsMemory(0, _heldBytes);
        (_held, _beingSent) = ([], _held);
        _heldBytes = 0;
        _isSending = true;
        return batch;
    }

    private ValueTask Sent() => new((_sent ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task);

    // Nearly always done before it returns.
    private ValueTask SendAsync(ReadOnlyMemory<byte> batch)
    {
        try
        {
            while (true)
            {
                var sending = _write(batch, CancellationToken.None);
                if (!sending.IsCompletedSuccessfully)
                {
                    return SendRestAsync(sending);
                }

                sending.GetAwaiter().GetResult();
                if (!TryTakeMore(out batch))
                {
                    return ValueTask.CompletedTask;
                }
            }
        }
        catch (Exception e)
        {
            Fail(e);
            throw;
        }
    }

    private async ValueTask SendRestAsync(ValueTask sending)
    {
        try
        {
            await sending.ConfigureAwait(false);
            while (TryTakeMore(out var batch))
            {
                await _write(batch, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Fail(e);
            throw;
        }
    }

    private bool TryTakeMore(out ReadOnlyMemory<byte> batch)
    {
        TaskCompletionSource? sent;
        lock (_lock)
        {
            // Only now, and never after a failure: nobody reads from it any more.
            ArrayPool<byte>.Shared.Return(_beingSent);
            _beingSent = [];
            if (_heldBytes > 0)
            {
                batch = Take();
                return true;
            }

            _isSending = false;
            (sent, _sent) = (_sent, null);
        }

        batch = default;
        sent?.SetResult();
        return false;
    }

    private async ValueTask WriteAfterHeldAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        await FlushAsync().ConfigureAwait(false);
        await WriteAloneAsync(piece, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask WriteAloneAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        ValueTask writing;
        try
        {
            writing = _write(piece, cancellationToken);
        }
        catch (Exception e)
        {
            Fail(e);
            throw;
        }

        return writing.IsCompletedSuccessfully ? writing : WatchAsync(writing);
    }

    private async ValueTask WatchAsync(ValueTask writing)
    {
        try
        {
            await writing.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Fail(e);
            throw;
        }
    }

    private void Fail(Exception failure)
    {
        TaskCompletionSource? sent;
        bool isOpen;
        lock (_lock)
        {
            isOpen = _failure is null;
            _failure ??= ExceptionDispatchInfo.Capture(failure);
            _isSending = false;
            _heldBytes = 0;
            _beingSent = [];
            (sent, _sent) = (_sent, null);
        }

        if (sent is not null)
        {
            sent.SetException(failure);
            // Seen, even where whoever waited has given up.
            _ = sent.Task.Exception;
        }

        if (isOpen)
        {
            _broken();
        }
    }
}
