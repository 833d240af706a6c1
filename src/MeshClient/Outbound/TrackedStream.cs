using System.Runtime.CompilerServices;

namespace MeshClient.Outbound;

/// <summary>
/// The stream of an answer's body, watched for its end. Passes writing through, because the stream of an upgraded connection
/// (a WebSocket) goes both ways.
/// </summary>
internal sealed class TrackedStream(Stream inner, TrackedContent content) : StreamOver(inner)
{
    public override int Read(Span<byte> buffer)
    {
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return Seen(await Inner.ReadAsync(buffer, content.Limit(cancellationToken)).ConfigureAwait(false), buffer.Length);
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

    private int Seen(int read, int asked)
    {
        if (read == 0 && asked > 0)
        {
            content.End(null);
        }

        return read;
    }
}
