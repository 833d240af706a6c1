using System.Buffers;

namespace MeshClient.Forwarders;

/// <summary>Why a relay ended.</summary>
internal enum RelayEnd
{
    /// <summary>Both directions came to their end.</summary>
    Orderly,

    /// <summary>One of the ends broke.</summary>
    Broken,

    /// <summary>Nothing passed for too long.</summary>
    Idle,

    /// <summary>It was told to stop.</summary>
    Stopped,
}

/// <summary>
/// Hands bytes on between two connections, both ways, until both directions have ended. What ends one direction on one side ends it
/// on the other, after everything that came before; what breaks one side breaks the other.
/// </summary>
/// <remarks>
/// A direction reads only when what it had read is written, so a slow receiver slows its sender by the windows of TCP, and nothing
/// piles up here: at most one buffer a direction, and none while there is nothing to hand on.
/// </remarks>
internal sealed class ByteRelay
{
    // Several TLS records (16 KiB each) in one go.
    private const int BufferSize = 64 * 1024;

    private readonly IDuplexEnd _first;
    private readonly IDuplexEnd _second;
    private readonly TimeSpan? _idleTimeout;
    private readonly TimeProvider _time;
    private long _activeAt;
    private int _end;

    private ByteRelay(IDuplexEnd first, IDuplexEnd second, TimeSpan? idleTimeout, TimeProvider time)
    {
        _first = first;
        _second = second;
        _idleTimeout = idleTimeout;
        _time = time;
        _activeAt = time.GetTimestamp();
    }

    /// <summary>Relays, and disposes both.</summary>
    /// <param name="first">One.</param>
    /// <param name="second">The other.</param>
    /// <param name="idleTimeout">After what time without a byte in either direction it is broken off; null: never.</param>
    /// <param name="time">The clock.</param>
    /// <param name="stop">Breaks both off.</param>
    public static async Task<RelayEnd> RunAsync(
        IDuplexEnd first, IDuplexEnd second, TimeSpan? idleTimeout, TimeProvider time, CancellationToken stop)
    {
        var relay = new ByteRelay(first, second, idleTimeout, time);
        await using (first.ConfigureAwait(false))
        await using (second.ConfigureAwait(false))
        await using (stop.UnsafeRegister(static state => ((ByteRelay)state!).Break(RelayEnd.Stopped), relay).ConfigureAwait(false))
        await using (relay.StartIdleTimer().ConfigureAwait(false))
        {
            await Task.WhenAll(relay.CopyAsync(first, second), relay.CopyAsync(second, first)).ConfigureAwait(false);
        }

        return (RelayEnd)relay._end;
    }

    private async Task CopyAsync(IDuplexEnd source, IDuplexEnd sink)
    {
        byte[]? buffer = null;
        try
        {
            while (true)
            {
                if (buffer is null)
                {
                    // Waits without a buffer: most connections are silent most of the time.
                    await source.ReadAsync(Memory<byte>.Empty).ConfigureAwait(false);
                    buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
                }

                var read = await source.ReadAsync(buffer).ConfigureAwait(false);
                if (read == 0)
                {
                    break;
                }

                Touch();
                await sink.WriteAsync(buffer.AsMemory(0, read)).ConfigureAwait(false);
                Touch();
                if (read < buffer.Length)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = null;
                }
            }

            await sink.CloseWriteAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Whatever it is, the other direction must not be left waiting.
            Break(RelayEnd.Broken);
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    private void Break(RelayEnd why)
    {
        Interlocked.CompareExchange(ref _end, (int)why, (int)RelayEnd.Orderly);
        _first.Abort();
        _second.Abort();
    }

    private void Touch()
    {
        if (_idleTimeout is not null)
        {
            Volatile.Write(ref _activeAt, _time.GetTimestamp());
        }
    }

    private IdleTimer StartIdleTimer() => new(this);

    /// <summary>Looks when the time could be over; that something passed does not touch the timer.</summary>
    private sealed class IdleTimer : IAsyncDisposable
    {
        private readonly ByteRelay _relay;
        private readonly ITimer? _timer;

        public IdleTimer(ByteRelay relay)
        {
            _relay = relay;
            if (relay._idleTimeout is { } timeout)
            {
                _timer = relay._time.CreateTimer(static state => ((IdleTimer)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _timer.Change(timeout, Timeout.InfiniteTimeSpan);
            }
        }

        public ValueTask DisposeAsync() => _timer?.DisposeAsync() ?? ValueTask.CompletedTask;

        private void Look()
        {
            var left = _relay._idleTimeout!.Value - _relay._time.GetElapsedTime(Volatile.Read(ref _relay._activeAt));
            if (left <= TimeSpan.Zero)
            {
                _relay.Break(RelayEnd.Idle);
            }
            else
            {
                _timer!.Change(left, Timeout.InfiniteTimeSpan);
            }
        }
    }
}
