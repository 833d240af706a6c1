namespace MeshClient.Server.State;

/// <summary>All rows of a state as one file.</summary>
internal static class StateSnapshot
{
    /// <summary>About how much goes into one frame.</summary>
    private const int FrameBytes = 256 * 1024;

    /// <summary>
    /// Writes a snapshot. To a file it is flushed a little at a time: what waits to be written by the file system would hold
    /// up the flushes of the log beside it.
    /// </summary>
    public static void Write(Stream file, ServerState state, ulong sequence, ulong index, StateSeal seal)
    {
        file.Write(LogFormat.CreateFileStart());
        var buffer = new FrameBuffer();
        buffer.Begin(new FrameHead(sequence, 0, index, FrameFlags.None));
        foreach (var (table, key, record) in StateTables.RowsOf(state))
        {
            buffer.Put(table, key, record, seal);
            if (buffer.Length >= FrameBytes)
            {
                buffer.End();
                file.Write(buffer.Frame.Span);
                (file as FileStream)?.Flush(flushToDisk: true);
                buffer.Begin(new FrameHead(sequence, 0, index, FrameFlags.None));
            }
        }

        buffer.End();
        file.Write(buffer.Frame.Span);
        buffer.Begin(new FrameHead(sequence, 0, index, FrameFlags.Last));
        buffer.End();
        file.Write(buffer.Frame.Span);
    }

    /// <exception cref="InvalidDataException">It is not whole.</exception>
    public static (ulong Sequence, ulong Index) Read(
        ReadOnlyMemory<byte> file, Dictionary<(string Table, string Key), ReadOnlyMemory<byte>> rows)
    {
        LogFormat.CheckFileStart(file.Span);
        var offset = LogFormat.FileStart;
        while (LogFormat.TryReadFrame(file, offset, out var head, out var content, out offset))
        {
            LogFormat.TakeRows(content, rows);
            if (head.Flags.HasFlag(FrameFlags.Last))
            {
                return (head.Sequence, head.Index);
            }
        }

        throw new InvalidDataException($"it is damaged or cut off at byte {offset}");
    }
}
