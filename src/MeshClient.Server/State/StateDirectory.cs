using System.Globalization;
using System.Security.Cryptography;
using MeshClient.Server.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace MeshClient.Server.State;

/// <summary>
/// Keeps the state in a directory of its own: a log of what was written, snapshots that make older logs needless, the key
/// that seals secrets, and a lock that keeps a second server out. All of it is for its owner only.
/// </summary>
/// <remarks>
/// The state is <c>snapshot-N</c> (none for the first log) and then <c>log-N</c>, <c>log-N+1</c> and so on. A log that has
/// grown long is followed by the next one, and a snapshot of the state at that point is written beside the work; once it is
/// whole and in place, what lies before it is deleted. A crash in between leaves more files than needed, never fewer.
/// </remarks>
internal sealed class StateDirectory : IStateStorage
{
    public const string SealFile = "seal.key";

    /// <summary>How far ahead indexes are reserved: so many writes that need no flush may be lost with the power.</summary>
    public const ulong IndexReserve = 1 << 20;

    /// <summary>How long a log gets at least before the next one begins.</summary>
    public const long DefaultLogBytes = 16 * 1024 * 1024;

    private const string LogPrefix = "log-";
    private const string SnapshotPrefix = "snapshot-";

    private readonly string _path;
    private readonly ILogger _logger;
    private readonly long _minLogBytes;
    private readonly Action<SafeFileHandle> _flush;
    private readonly FileStream _lock;
    private readonly FrameBuffer _buffer = new();
    private SafeFileHandle? _log;
    private long _number;
    private long _offset;
    private long _flushedTo;
    private ulong _sequence;
    private ulong _flushedSequence;
    private ulong _reservedIndex;
    private long _nextLogAt;
    private bool _isFailing;
    private Task _snapshot = Task.CompletedTask;

    /// <param name="path">The directory; made when it is not there.</param>
    /// <param name="logger">Where it logs.</param>
    /// <param name="minLogBytes">How long a log gets at least before the next one begins.</param>
    /// <param name="flush">Makes what was written to a log durable; null: as <see cref="DurableFile.FlushData"/> does.</param>
    /// <exception cref="IOException">It cannot be used, or another server uses it.</exception>
    /// <exception cref="InvalidDataException">The key in it is damaged.</exception>
    public StateDirectory(
        string path, ILogger<StateDirectory> logger, long minLogBytes = DefaultLogBytes, Action<SafeFileHandle>? flush = null)
    {
        _flush = flush ?? DurableFile.FlushData;
        _path = Path.GetFullPath(path);
        _logger = logger;
        _minLogBytes = _nextLogAt = minLogBytes;
        _lock = Open(_path);
        try
        {
            Seal = new StateSeal(ReadOrCreateKey());
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    public StateSeal Seal { get; }

    private bool IsFull => _offset >= Volatile.Read(ref _nextLogAt) && _snapshot.IsCompleted;

    public StoredState? Load()
    {
        foreach (var left in Directory.GetFiles(_path, "*.new"))
        {
            File.Delete(left);
        }

        var rows = new Dictionary<(string Table, string Key), ReadOnlyMemory<byte>>();
        var logs = NumbersOf(LogPrefix);
        var snapshots = NumbersOf(SnapshotPrefix);
        if (logs.Count == 0 && snapshots.Count == 0)
        {
            return null;
        }

        var first = snapshots.Count > 0 ? snapshots[^1] : 1;
        if (snapshots.Count > 0)
        {
            var path = PathOf(SnapshotPrefix, first);
            (_sequence, _reservedIndex) = Reading(path, file => StateSnapshot.Read(file, rows));
        }

        logs.RemoveAll(number => number < first);
        for (var i = 0; i < Math.Max(1, logs.Count); i++)
        {
            if (i >= logs.Count || logs[i] != first + i)
            {
                throw Unusable(PathOf(LogPrefix, first + i), "it is missing");
            }

            var isNewest = i == logs.Count - 1;
            var path = PathOf(LogPrefix, logs[i]);
            var length = Reading(path, file => ReadLog(path, file, isNewest, rows));
            if (isNewest)
            {
                _number = logs[i];
                _log = OpenLog(path);
                CutTail(length);
                // Of a process that was killed, the last frames may be with the file system only.
                _flush(_log);
                _offset = _flushedTo = length;
                _flushedSequence = _sequence;
            }
        }

        DeleteBefore(first);
        return new StoredState(_reservedIndex, [.. rows.Select(row => new StoredRow(row.Key.Table, row.Key.Key, row.Value))]);
    }

    public void Append(StateBatch batch)
    {
        var index = batch.After.Index;
        if (index <= _reservedIndex && batch.Changes.All(change => change.Rows.Count == 0 && !change.ReplacesAll))
        {
            return;
        }

        try
        {
            if (_log is null)
            {
                BeginLog();
            }
            else if (_isFailing)
            {
                CutTail(_offset);
            }

            // What is full is flushed also for a soft batch, because nothing but a flushed log is followed by another.
            var flush = !batch.IsSoft || index > _reservedIndex || IsFull;
            var reserved = flush ? index + IndexReserve : _reservedIndex;
            var end = _offset + Encode(batch, reserved);
            RandomAccess.Write(_log!, _buffer.Frame.Span, _offset);
            if (flush)
            {
                _flush(_log!);
                _flushedTo = end;
                _flushedSequence = _sequence + 1;
                _reservedIndex = reserved;
            }

            _sequence++;
            _offset = end;
            if (_isFailing)
            {
                _isFailing = false;
                Log.StorageWorksAgain(_logger, _path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw NotStored(e);
        }

        if (_flushedTo == _offset && IsFull)
        {
            BeginNext(batch.After);
        }
    }

    public void Dispose()
    {
        _snapshot.GetAwaiter().GetResult();
        if (_log is { IsClosed: false } log)
        {
            try
            {
                RandomAccess.FlushToDisk(log);
            }
            catch (IOException e)
            {
                Log.StorageFails(_logger, e, _path);
            }

            log.Dispose();
        }

        Seal.Dispose();
        _lock.Dispose();
    }

    private static FileStream Open(string path)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(path);
            }
            else
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The data directory '{path}' cannot be made: {e.Message}", e);
        }

        try
        {
            return DurableFile.Open(Path.Combine(path, "lock"), FileMode.OpenOrCreate);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"The data directory '{path}' cannot be used: this user may not read and write in it.", e);
        }
        catch (IOException e)
        {
            throw new IOException($"The data directory '{path}' cannot be used: another server holds it, or it cannot be written ({e.Message}).", e);
        }
    }

    // Holds on to its offset only once all is well; what failed in between is cut off before the next frame.
    private int Encode(StateBatch batch, ulong reserved)
    {
        var replaced = -1;
        for (var i = 0; i < batch.Changes.Count; i++)
        {
            replaced = batch.Changes[i].ReplacesAll ? i : replaced;
        }

        _buffer.Begin(new FrameHead(_sequence + 1, _flushedTo, reserved, replaced >= 0 ? FrameFlags.ReplacesAll : FrameFlags.None));
        foreach (var change in batch.Changes.Skip(Math.Max(0, replaced)))
        {
            foreach (var ((table, key), record) in change.Rows)
            {
                if (record is null)
                {
                    _buffer.Delete(table, key);
                }
                else
                {
                    _buffer.Put(table, key, record, Seal);
                }
            }
        }

        _buffer.End();
        return _buffer.Length;
    }

    private StateNotStoredException NotStored(Exception e)
    {
        try
        {
            // At once and not only before the next frame: a start after a crash would take what is there for stored. And back
            // to the last flush, not to the last frame: after one that failed, Linux takes all it was to write for written
            // (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020), so a later one that
            // succeeds would vouch for frames that are not on the disk.
            if (_log is not null)
            {
                (_offset, _sequence) = (_flushedTo, _flushedSequence);
                CutTail(_offset);
            }
        }
        catch (IOException)
        {
            // The first failure is the one to tell of.
        }

        if (!_isFailing)
        {
            _isFailing = true;
            Log.StorageFails(_logger, e, _path);
        }

        return new StateNotStoredException(
            DurableFile.IsDiskFull(e)
                ? "The write was not done: the server's disk is full. Free space on it; then writes work again."
                : "The write was not done: the server could not store it; its log says why.",
            e);
    }

    private void BeginLog()
    {
        var number = _number + 1;
        var path = PathOf(LogPrefix, number);
        try
        {
            if (!DurableFile.FlushDirectory(DurableFile.Replace(path, LogFormat.CreateFileStart())))
            {
                Log.DirectoryNotFlushed(_logger, path);
            }

            _log = OpenLog(path);
        }
        catch
        {
            // Beside it, the log that goes on would not be the newest, whose end may be torn.
            DurableFile.DeleteIfPossible(path);
            throw;
        }

        _number = number;
        _offset = _flushedTo = LogFormat.FileStart;
        _flushedSequence = _sequence;
    }

    private void BeginNext(ServerState state)
    {
        var before = _log!;
        try
        {
            BeginLog();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The log that is there goes on.
            _nextLogAt = _offset + _minLogBytes;
            Log.SnapshotNotWritten(_logger, e, _path);
            return;
        }

        before.Dispose();
        var (number, sequence, index) = (_number, _sequence, _reservedIndex);
        _snapshot = Task.Run(() => WriteSnapshot(number, state, sequence, index));
    }

    private void WriteSnapshot(long number, ServerState state, ulong sequence, ulong index)
    {
        try
        {
            var path = PathOf(SnapshotPrefix, number);
            var directory = DurableFile.Replace(path, file => StateSnapshot.Write(file, state, sequence, index, Seal));
            if (!DurableFile.FlushDirectory(directory))
            {
                // What lies before stays, in case the new one is not there after a loss of power.
                Log.DirectoryNotFlushed(_logger, path);
                return;
            }

            // A log is let grow with the state, so that all snapshots together cost no more than the logs.
            Volatile.Write(ref _nextLogAt, Math.Max(_minLogBytes, new FileInfo(path).Length));
            DeleteBefore(number);
        }
        catch (Exception e)
        {
            // Whatever it was: nobody waits for it but the end of the server, which must not fail by it.
            Log.SnapshotNotWritten(_logger, e, _path);
        }
    }

    // Returns where the last whole frame ends.
    private long ReadLog(
        string path, ReadOnlyMemory<byte> file, bool isNewest, Dictionary<(string Table, string Key), ReadOnlyMemory<byte>> rows)
    {
        LogFormat.CheckFileStart(file.Span);
        var offset = LogFormat.FileStart;
        while (offset < file.Length && LogFormat.TryReadFrame(file, offset, out var head, out var content, out var end))
        {
            if (head.Sequence != _sequence + 1)
            {
                throw new InvalidDataException($"the batch at byte {offset} has number {head.Sequence} and {_sequence + 1} was to come");
            }

            if (head.Flags.HasFlag(FrameFlags.ReplacesAll))
            {
                rows.Clear();
            }

            LogFormat.TakeRows(content, rows);
            _sequence = head.Sequence;
            _reservedIndex = Math.Max(_reservedIndex, head.Index);
            offset = end;
        }

        if (offset < file.Length)
        {
            if (!isNewest || IsNeededLater(file, offset))
            {
                throw new InvalidDataException($"it is damaged at byte {offset}, before batches that were stored");
            }

            Log.TornTailCut(_logger, path, offset, file.Length - offset);
        }

        return offset;
    }

    // A batch that was being written when the machine stopped is the last one, or at least nobody was told that it is stored:
    // then no later one says that the file was on the disk beyond it.
    private static bool IsNeededLater(ReadOnlyMemory<byte> file, int damagedAt)
    {
        for (var offset = damagedAt + 1; offset < file.Length; offset++)
        {
            if (LogFormat.TryReadFrame(file, offset, out var head, out _, out _) && head.FlushedTo > damagedAt)
            {
                return true;
            }
        }

        return false;
    }

    private void CutTail(long length)
    {
        if (RandomAccess.GetLength(_log!) != length)
        {
            RandomAccess.SetLength(_log!, length);
            RandomAccess.FlushToDisk(_log!);
        }
    }

    private static T Reading<T>(string path, Func<ReadOnlyMemory<byte>, T> read)
    {
        try
        {
            return read(File.ReadAllBytes(path));
        }
        catch (InvalidDataException e)
        {
            throw Unusable(path, e.Message);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"The file '{path}' cannot be read: this user may not.", e);
        }
    }

    private static InvalidDataException Unusable(string path, string problem) => new(
        $"The file '{path}' of the data directory cannot be used: {problem}. Nothing was changed. Restore the directory from a backup, "
        + "or begin anew with an empty directory and restore a snapshot that was saved by the API.");

    private static SafeFileHandle OpenLog(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);

    private void DeleteBefore(long number)
    {
        foreach (var prefix in (string[])[LogPrefix, SnapshotPrefix])
        {
            foreach (var old in NumbersOf(prefix).Where(old => old < number))
            {
                File.Delete(PathOf(prefix, old));
            }
        }
    }

    private List<long> NumbersOf(string prefix)
    {
        var numbers = new List<long>();
        foreach (var path in Directory.GetFiles(_path, prefix + "*"))
        {
            if (long.TryParse(Path.GetFileName(path.AsSpan())[prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                numbers.Add(number);
            }
        }

        numbers.Sort();
        return numbers;
    }

    private string PathOf(string prefix, long number) =>
        Path.Combine(_path, prefix + number.ToString("D10", CultureInfo.InvariantCulture));

    private byte[] ReadOrCreateKey()
    {
        var path = Path.Combine(_path, SealFile);
        if (!File.Exists(path))
        {
            var fresh = RandomNumberGenerator.GetBytes(StateSeal.KeyBytes);
            DurableFile.FlushDirectory(DurableFile.Replace(path, fresh));
            return fresh;
        }

        var key = Reading(path, file => file.ToArray());
        return key.Length == StateSeal.KeyBytes ? key : throw Unusable(path, $"it has to have {StateSeal.KeyBytes} bytes");
    }
}
