using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Transport;

namespace MeshClient.Dialing;

/// <summary>
/// A connection this process has opened. Tells the attempt that opened it when it has come to its end, and how: in order, or by
/// breaking, which tells against the instance.
/// </summary>
/// <remarks>
/// Taken for broken is also one that the instance ends at once, before it has sent anything and while this side still may send:
/// a proxy that lives in front of a service that does not takes every connection, and must not attract them by that. Later than
/// an attempt may take, an end without a word tells nothing.
/// </remarks>
internal sealed class DialedConnection : MeshConnection
{
    private readonly OpenedConnection _opened;
    private readonly Stream _stream;
    private readonly ServiceInstance _instance;
    private readonly TimeSpan _silenceCounts;
    private readonly ConnectionCount _count;
    private readonly TimeProvider _time;
    private readonly long _openedAt;
    private OutboundPipeline? _pipeline;
    private OutboundAttempt? _attempt;
    private volatile Exception? _failure;
    private volatile bool _isReading;
    private volatile bool _hasReceived;
    private volatile bool _hasPeerEnded;
    private bool _isWriting;
    private bool _isWriteClosed;
    private bool _isDisposed;
    private bool _hasEnded;

    /// <param name="opened">The connection.</param>
    /// <param name="instance">What it leads to.</param>
    /// <param name="silenceCounts">How long after opening an end without a word tells against the instance; zero: always.</param>
    /// <param name="count">Where it is counted.</param>
    /// <param name="time">The clock.</param>
    public DialedConnection(
        OpenedConnection opened, ServiceInstance instance, TimeSpan silenceCounts, ConnectionCount count, TimeProvider time)
    {
        _opened = opened;
        _stream = opened.Stream;
        _instance = instance;
        _silenceCounts = silenceCounts;
        _count = count;
        _time = time;
        _openedAt = time.GetTimestamp();
        count.Opened();
    }

    public override ServiceName Service => _instance.Service;

    public override InstanceId InstanceId => _instance.Id;

    public override SpiffeId? PeerId => _opened.PeerId;

    public override CancellationToken Closing => (_stream as InstanceStream)?.Closing ?? CancellationToken.None;

    public override bool CanRead => !_isDisposed;

    public override bool CanWrite => !_isDisposed && !_isWriteClosed;

    public override bool CanTimeout => true;

    public override int ReadTimeout
    {
        get => _stream.ReadTimeout;
        set => _stream.ReadTimeout = value;
    }

    public override int WriteTimeout
    {
        get => _stream.WriteTimeout;
        set => _stream.WriteTimeout = value;
    }

    private string Name => string.Create(
        CultureInfo.InvariantCulture, $"'{_instance.Service}' ({_instance.Id} at {_opened.Endpoint.Host}:{_opened.Endpoint.Port})");

    /// <summary>Belongs to an attempt from here on.</summary>
    public void Begin(OutboundPipeline pipeline, OutboundAttempt attempt)
    {
        _attempt = attempt;
        _pipeline = pipeline;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        int read;
        _isReading = true;
        _opened.Turns?.Enter();
        try
        {
            read = await _stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Break(e, "reading from");
        }
        finally
        {
            _opened.Turns?.Leave();
            _isReading = false;
        }

        Received(read, buffer.Length);
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        int read;
        _isReading = true;
        _opened.Turns?.Enter();
        try
        {
            read = _stream.Read(buffer);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Break(e, "reading from");
        }
        finally
        {
            _opened.Turns?.Leave();
            _isReading = false;
        }

        Received(read, buffer.Length);
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        BeginWrite();
        try
        {
            ThrowIfNotWritable();
            await _stream.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Break(e, "writing to");
        }
        finally
        {
            Volatile.Write(ref _isWriting, false);
        }

        _count.Sent(buffer.Length);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        BeginWrite();
        try
        {
            ThrowIfNotWritable();
            _stream.Write(buffer);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Break(e, "writing to");
        }
        finally
        {
            Volatile.Write(ref _isWriting, false);
        }

        _count.Sent(buffer.Length);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => _stream.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => _stream.FlushAsync(cancellationToken);

    public override async ValueTask CloseWriteAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        try
        {
            await SayLastWordAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Break(e, "writing to");
        }
    }

    public override void Abort()
    {
        if (!Interlocked.Exchange(ref _isDisposed, true))
        {
            _opened.Abort();
            End(_failure);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        if (Volatile.Read(ref _isWriting))
        {
            // The TLS session is the writer's at this moment, and the instance must not take the piece it gets for the whole.
            _opened.Abort();
            End(_failure);
            await base.DisposeAsync().ConfigureAwait(false);
            return;
        }

        try
        {
            if (_failure is null)
            {
                await SayLastWordAsync(CancellationToken.None).AsTask().WaitAsync(OpenedConnection.Farewell, _time).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or TimeoutException or InvalidOperationException)
        {
            // The peer is gone, or does not listen; there is nobody to take leave of.
        }

        // Not waited for: nothing the caller does depends on when the peer ends.
        _ = _opened.CloseAsync(_failure is not null || _hasPeerEnded || _isReading, _time);
        End(_failure);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    // Nearly always done when it returns: the last word fits into the send buffer.
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _ = DisposeAsync().AsTask();
        }

        base.Dispose(disposing);
    }

    private ValueTask SayLastWordAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isWriteClosed, true))
        {
            return ValueTask.CompletedTask;
        }

        if (Volatile.Read(ref _isWriting))
        {
            Volatile.Write(ref _isWriteClosed, false);
            throw new InvalidOperationException($"The sending side to {Name} cannot be closed while something is being written to it.");
        }

        return _opened.CloseWriteAsync(cancellationToken);
    }

    // Told first, and looked at afterwards whether it has been closed; whoever closes it does the reverse, so that one of the two
    // sees the other: TLS is not made for two that write.
    private void BeginWrite()
    {
        if (Interlocked.Exchange(ref _isWriting, true))
        {
            throw new InvalidOperationException($"Something is being written to {Name} already.");
        }
    }

    private void ThrowIfNotWritable()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_isWriteClosed)
        {
            throw new InvalidOperationException($"Nothing can be written to {Name} any more: its sending side has been closed.");
        }
    }

    private void Received(int read, int asked)
    {
        if (read > 0)
        {
            _hasReceived = true;
            _count.Received(read);
        }
        else if (asked > 0)
        {
            _hasPeerEnded = true;
            if (!_hasReceived && !_isWriteClosed && _failure is null
                && (_silenceCounts <= TimeSpan.Zero || _time.GetElapsedTime(_openedAt) < _silenceCounts))
            {
                _failure = new IOException($"{Name} ended the connection before it had sent anything.");
            }
        }
    }

    // A caller that gives up, or disposes what is being read, breaks nothing.
    private bool IsBroken(Exception e) => e is IOException or SocketException && !_isDisposed;

    private IOException Break(Exception e, string what)
    {
        if (_stream is InstanceStream { EndedBecause: { } why })
        {
            // Our own doing, and no fault of the instance.
            End(null);
            return new IOException($"The connection to {Name} was ended: {why}.", e);
        }

        var cause = e;
        while (cause.InnerException is { } inner)
        {
            cause = inner;
        }

        var failure = new IOException($"The connection to {Name} broke while {what} it: {cause.Message.TrimEnd('.')}.", e);
        // After the peer's own end a write fails in the ordinary course of things.
        if (!_hasPeerEnded)
        {
            _failure ??= failure;
            End(failure);
        }

        return failure;
    }

    private void End(Exception? failure)
    {
        if (!Interlocked.Exchange(ref _hasEnded, true))
        {
            _count.Closed(_time.GetElapsedTime(_openedAt), failure is null);
            if (_attempt is { } attempt)
            {
                _pipeline!.BodyEnded(attempt, failure);
            }
        }
    }
}
