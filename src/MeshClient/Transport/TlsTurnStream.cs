using System.Runtime.CompilerServices;

namespace MeshClient.Transport;

/// <summary>What a TLS stream reads from; gives the reader's turn away while there is nothing to decrypt.</summary>
internal sealed class TlsTurnStream(Stream inner, TlsTurns turns) : StreamOver(inner)
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        turns.Leave();
        try
        {
            return await Inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turns.Enter();
        }
    }

    public override int Read(Span<byte> buffer)
    {
        turns.Leave();
        try
        {
            return Inner.Read(buffer);
        }
        finally
        {
            turns.Enter();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await Inner.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
