namespace MeshClient.Outbound;

/// <summary>
/// Where a body is copied to, watched for its beginning and for failing: whose fault that is depends on which end broke. Lets the
/// content do the copying, which knows best how.
/// </summary>
internal sealed class WatchedDestination(Stream inner) : Stream
{
    /// <summary>Whether it was this that failed.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Whether anything of the body has come.</summary>
    public bool HasBegun { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        HasBegun = true;
        try
        {
            var writing = inner.WriteAsync(buffer, cancellationToken);
            return writing.IsCompletedSuccessfully ? writing : WatchAsync(writing);
        }
        catch
        {
            HasFailed = true;
            throw;
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        HasBegun = true;
        try
        {
            inner.Write(buffer);
        }
        catch
        {
            HasFailed = true;
            throw;
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override Task FlushAsync(CancellationToken cancellationToken) => WatchAsync(new ValueTask(inner.FlushAsync(cancellationToken))).AsTask();

    public override void Flush()
    {
        try
        {
            inner.Flush();
        }
        catch
        {
            HasFailed = true;
            throw;
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    // What it writes to is another's to dispose.
    private async ValueTask WatchAsync(ValueTask writing)
    {
        try
        {
            await writing.ConfigureAwait(false);
        }
        catch
        {
            HasFailed = true;
            throw;
        }
    }
}
