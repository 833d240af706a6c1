using MeshClient.Testing;
using MeshClient.Transport;

namespace MeshClient.Tests.Transport;

/// <summary>A coalescer whose clock, looks and writes go on when a test says so, and which sees whether the bytes arrive as they were given.</summary>
internal sealed class CoalescerRig
{
    private readonly Lock _lock = new();
    private readonly Queue<IThreadPoolWorkItem> _looks = new();
    private readonly List<byte> _given = [];
    private readonly List<byte[]> _writes = [];
    private ReadOnlyMemory<byte> _beingWritten;
    private TaskCompletionSource? _underWay;
    private string? _problem;
    private int _next;

    public CoalescerRig(TimeProvider? time = null) =>
        Coalescer = new WriteCoalescer(Write, () => IsShared, time ?? Time, () => Broken++, _looks.Enqueue);

    public WriteCoalescer Coalescer { get; }

    public FakeTimeProvider Time { get; } = new();

    public bool IsShared { get; set; } = true;

    /// <summary>Whether a write ends only when it is told to.</summary>
    public bool IsSlow { get; set; }

    /// <summary>What writes fail with at once.</summary>
    public Exception? Failure { get; set; }

    /// <summary>How often the connection was reported as broken.</summary>
    public int Broken { get; private set; }

    /// <summary>How many looks wait for a thread.</summary>
    public int Looks => _looks.Count;

    public bool IsUnderWay
    {
        get
        {
            lock (_lock)
            {
                return _underWay is not null;
            }
        }
    }

    /// <summary>The lengths of what has been written, that under way included.</summary>
    public int[] Writes
    {
        get
        {
            lock (_lock)
            {
                return [.. _writes.Select(write => write.Length)];
            }
        }
    }

    /// <summary>Writes as often and as closely as makes a connection busy, and begins to count after that.</summary>
    public CoalescerRig BecomeBusy()
    {
        for (var i = 0; i < WriteCoalescer.RecentWrites; i++)
        {
            Assert.True(GiveAsync(1).IsCompletedSuccessfully);
        }

        Assert.Equal(WriteCoalescer.RecentWrites, _writes.Count);
        _writes.Clear();
        _given.Clear();
        return this;
    }

    /// <summary>Writes some bytes, no two of them in a row alike.</summary>
    public Task GiveAsync(int length)
    {
        var piece = new byte[length];
        for (var i = 0; i < length; i++)
        {
            piece[i] = (byte)(_next++ % 251);
        }

        _given.AddRange(piece);
        var giving = Coalescer.WriteAsync(piece, CancellationToken.None).AsTask();
        if (giving.IsCompleted)
        {
            // As whoever writes may use its buffer again.
            Array.Fill(piece, (byte)255);
        }

        return giving;
    }

    /// <summary>Writes what is to be held, or to go out at once.</summary>
    public void Give(int length) => Assert.True(GiveAsync(length).IsCompletedSuccessfully);

    public Task FlushAsync() => Coalescer.FlushAsync().AsTask();

    /// <summary>Gives the oldest look its thread.</summary>
    public void Look() => _looks.Dequeue().Execute();

    /// <summary>Lets the write under way end.</summary>
    public void Complete(Exception? failure = null)
    {
        TaskCompletionSource done;
        lock (_lock)
        {
            done = _underWay!;
            _underWay = null;
            if (!_beingWritten.Span.SequenceEqual(_writes[^1]))
            {
                _problem ??= "What was being written has changed.";
            }

            if (failure is not null)
            {
                _writes.RemoveAt(_writes.Count - 1);
            }
        }

        if (failure is null)
        {
            done.SetResult();
        }
        else
        {
            done.SetException(failure);
        }
    }

    /// <summary>Everything that was given has arrived, once and in order; or only the beginning of it.</summary>
    public void AssertArrived(bool onlyBeginning = false)
    {
        Assert.Null(_problem);
        var arrived = _writes.SelectMany(write => write).ToArray();
        Assert.True(onlyBeginning ? arrived.Length <= _given.Count : arrived.Length == _given.Count, $"{arrived.Length} of {_given.Count} arrived.");
        Assert.Equal(_given.Take(arrived.Length), arrived);
    }

    private ValueTask Write(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_underWay is not null)
            {
                _problem ??= "Two writes at once.";
            }

            if (Failure is not null)
            {
                throw Failure;
            }

            _writes.Add(bytes.ToArray());
            if (!IsSlow)
            {
                return ValueTask.CompletedTask;
            }

            _beingWritten = bytes;
            _underWay = new TaskCompletionSource();
            return new ValueTask(_underWay.Task);
        }
    }
}
