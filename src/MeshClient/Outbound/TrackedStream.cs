using System.Buffers;
using System.Runtime.CompilerServices;

namespace MeshClient.Outbound;

/// <summary>
/// The stream of an answer's body, watched for its end. Passes writing through, because the stream of an upgraded connection
/// (a WebSocket) goes both ways.
/// </summary>
internal sealed class TrackedStream(Stream inner, TrackedContent content) : StreamOver(inner)
{
    // What is read at once where it has to be copied.
    private const int MostCopied = 16 * 1024;

    public override int Read(Span<byte> buffer)
    {
        if (content.IsLimited)
        {
            return ReadLimited(buffer);
        }

        try
        {
            return Seen(Inner.Read(buffer), buffer.Length);
        }
        catch (Exception e)
        {
            content.End(e);
            throw;
        }
    }

    public override int Read(byte[] buffer, int offset, int count) =>
        content.IsLimited ? Await(ReadAsync(buffer.AsMemory(offset, count))) : base.Read(buffer, offset, count);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            var reading = Inner.ReadAsync(buffer, content.Limit(cancellationToken));
            if (!reading.IsCompleted)
            {
                content.Wait();
            }

            return Seen(await reading.ConfigureAwait(false), buffer.Length);
        }
        catch (Exception e)
        {
            content.Fail(e, cancellationToken);
            throw;
        }
    }

    public override async ValueTask DisposeAsync()
    {
        content.GiveUp();
        await Inner.DisposeAsync().ConfigureAwait(false);
        content.End(null);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.GiveUp();
            Inner.Dispose();
            content.End(null);
        }

        base.Dispose(disposing);
    }

    // Nothing can cancel a synchronous read, and to take the connection from under it would have two read from that at once. So
    // where a deadline has to end it, the thread waits for an asynchronous one, which needs no thread of its own to go on.
    private static int Await(ValueTask<int> reading) => reading.AsTask().GetAwaiter().GetResult();

    private int ReadLimited(Span<byte> buffer)
    {
        var rented = ArrayPool<byte>.Shared.Rent(Math.Min(buffer.Length, MostCopied));
        var read = Await(ReadAsync(rented.AsMemory(0, Math.Min(buffer.Length, rented.Length))));
        rented.AsSpan(0, read).CopyTo(buffer);
        // Not after a failure: who knows what still writes to it.
        ArrayPool<byte>.Shared.Return(rented);
        return read;
    }

    private int Seen(int read, int asked)
    {
        if (read > 0)
        {
            content.Begin();
        }
        else if (asked > 0)
        {
            content.End(null);
        }
        else
        {
            // It only waited until there is something.
            content.StopWaiting();
        }

        return read;
    }
}
