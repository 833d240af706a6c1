using System.Buffers;
using System.IO.Pipelines;
using MeshClient.AspNetCore.Listener;
using MeshClient.Testing;
using MeshClient.Transport;

namespace MeshClient.AspNetCore.Tests.Listener;

public sealed class CoalescedOutputTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider _time = new();
    private readonly GatedStream _stream = new();
    private bool _isShared;
    private int _broken;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FlushAsync_NotShared_SendsAtOnce()
    {
        var output = Create();
        for (var i = 1; i <= 10; i++)
        {
            await output.WriteAsync(Bytes(i), Token);
        }

        Assert.Equal(Enumerable.Range(1, 10), _stream.Writes.Select(write => write.Length));
    }

    [Fact]
    public async Task FlushAsync_Shared_TakesOverAndSendsTogether()
    {
        var output = Create();
        _isShared = true;
        for (var i = 0; i < 40; i++)
        {
            Assert.False((await output.WriteAsync(Bytes(100), Token)).IsCompleted);
        }

        await output.SettleAsync(Limit, _time);
        Assert.Equal(4000, _stream.Sent.Length);
        // The first by themselves, then whenever there is more than is held, and what was left.
        Assert.Equal([100, 100, 100, 100, 1100, 1100, 1100, 300], _stream.Writes.Select(write => write.Length));
    }

    [Fact]
    public async Task FlushAsync_NothingWritten_DoesNothing()
    {
        var output = Create();
        var result = await output.FlushAsync(Token);
        Assert.Equal((false, false), (result.IsCanceled, result.IsCompleted));
        Assert.Empty(_stream.Writes);
    }

    [Fact]
    public async Task GetMemory_MoreThanIsLeft_KeepsWhatWasWritten()
    {
        var output = Create();
        var expected = new List<byte>();
        for (var i = 1; i <= 60; i++)
        {
            var bytes = Bytes(i * 50);
            bytes.CopyTo(output.GetMemory(bytes.Length));
            output.Advance(bytes.Length);
            expected.AddRange(bytes);
        }

        Assert.Equal(expected.Count, output.UnflushedBytes);
        await output.FlushAsync(Token);
        Assert.Equal(0, output.UnflushedBytes);
        Assert.Equal(expected, _stream.Sent);
    }

    [Fact]
    public void Advance_FurtherThanTheMemory_IsRefused()
    {
        var output = Create();
        var length = output.GetMemory().Length;
        Assert.Throws<ArgumentOutOfRangeException>(() => output.Advance(length + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => output.Advance(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => output.GetMemory(-1));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(100_000)]
    public async Task GetMemory_AFlushIsUnderWay_DoesNotTouchWhatIsBeingSent(int length)
    {
        var output = Create();
        _stream.Close();
        var first = Bytes(length);
        var flushing = output.WriteAsync(first, Token);
        Assert.False(flushing.IsCompleted);
        output.GetSpan(length)[..length].Fill(0xff);
        _stream.Open();
        Assert.False((await flushing).IsCompleted);
        Assert.Equal(first, _stream.Sent);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FlushAsync_TheConnectionIsBroken_TellsThatNobodyReadsAndEndsIt(bool isShared)
    {
        var output = Create();
        _isShared = isShared;
        for (var i = 0; i < WriteCoalescer.RecentWrites; i++)
        {
            await output.WriteAsync(Bytes(1), Token);
        }

        _stream.Failure = new IOException("reset");
        FlushResult result = default;
        for (var i = 0; i < 40 && !result.IsCompleted; i++)
        {
            result = await output.WriteAsync(Bytes(100), Token);
        }

        Assert.True(result.IsCompleted);
        _stream.Failure = null;
        Assert.True((await output.WriteAsync(Bytes(1), Token)).IsCompleted);
        Assert.Equal(WriteCoalescer.RecentWrites, _stream.Writes.Count);
        Assert.Equal(1, _broken);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FlushAsync_IsCancelledWhileItSends_EndsTheConnection(bool isByToken)
    {
        var output = Create();
        _stream.Close();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var flushing = output.WriteAsync(Bytes(5000), cancel.Token).AsTask();
        if (isByToken)
        {
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flushing);
        }
        else
        {
            output.CancelPendingFlush();
            Assert.True((await flushing).IsCompleted);
        }

        _stream.Open();
        Assert.True((await output.WriteAsync(Bytes(1), Token)).IsCompleted);
        Assert.Empty(_stream.Writes);
        Assert.Equal(1, _broken);
    }

    [Fact]
    public async Task CompleteAsync_SomethingWritten_SendsItAndTakesNoMore()
    {
        var output = Create();
        output.Write(Bytes(5));
        await output.CompleteAsync();
        await output.SettleAsync(Limit, _time);
        Assert.Equal(Bytes(5), _stream.Sent);
        Assert.Throws<InvalidOperationException>(() => output.GetMemory());
    }

    [Fact]
    public async Task SettleAsync_ThePeerDoesNotRead_EndsWhenTheTimeIsOver()
    {
        var output = Create();
        _isShared = true;
        for (var i = 0; i < WriteCoalescer.RecentWrites; i++)
        {
            await output.WriteAsync(Bytes(1), Token);
        }

        _stream.Close();
        var flushing = new List<Task>();
        for (var i = 0; i < 40; i++)
        {
            flushing.Add(output.WriteAsync(Bytes(100), Token).AsTask());
            if (!flushing[^1].IsCompleted)
            {
                break;
            }
        }

        var settling = output.SettleAsync(Limit, _time).AsTask();
        Assert.False(settling.IsCompleted);
        _time.Advance(Limit);
        await settling.WaitAsync(Limit, Token);
        _stream.Open();
        await Task.WhenAll(flushing);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task WriteAsync_AnySizesBesideLooksOfThePool_ArriveInOrder(int seed)
    {
        var random = new Random(seed);
        var output = new CoalescedOutput(PipeWriter.Create(_stream), () => random.Next(8) > 0, TimeProvider.System, () => _broken++);
        var expected = new List<byte>();
        for (var i = 0; i < 3000; i++)
        {
            var piece = new byte[random.Next(30) == 0 ? random.Next(40_000) : random.Next(1, 300)];
            random.NextBytes(piece);
            expected.AddRange(piece);
            output.Write(piece);
            if (random.Next(4) > 0)
            {
                Assert.False((await output.FlushAsync(Token)).IsCompleted);
            }
        }

        await output.CompleteAsync();
        await output.SettleAsync(Limit, TimeProvider.System);
        Assert.Equal(expected, _stream.Sent);
        Assert.Equal(0, _broken);
    }

    public void Dispose() => _stream.Dispose();

    // The last writes have come closely one after another, as the clock stands still; and nobody looks whether what is held has waited
    // long enough.
    private CoalescedOutput Create() => new(PipeWriter.Create(_stream), () => _isShared, _time, () => _broken++, _ => { });

    private static byte[] Bytes(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)(i % 251))];

    private sealed class GatedStream : Stream
    {
        private readonly Lock _lock = new();
        private readonly List<byte[]> _writes = [];
        private TaskCompletionSource? _gate;

        public IReadOnlyList<byte[]> Writes
        {
            get
            {
                lock (_lock)
                {
                    return [.. _writes];
                }
            }
        }

        public byte[] Sent => [.. Writes.SelectMany(write => write)];

        public Exception? Failure { get; set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public new void Close() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Open()
        {
            var gate = _gate;
            _gate = null;
            gate?.SetResult();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Failure is not null)
            {
                throw Failure;
            }

            if (_gate is { } gate)
            {
                await gate.Task.WaitAsync(cancellationToken);
            }

            // Only now, as a network does that was waited for.
            lock (_lock)
            {
                _writes.Add(buffer.ToArray());
            }
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
