using System.Net.Security;

namespace MeshClient.Transport;

/// <summary>
/// Keeps the end of a TLS connection's sending side apart from its reading side. <see cref="SslStream.ShutdownAsync"/> looks into
/// the session, for the peer's own <c>close_notify</c>, without the lock under which the stream decrypts; a session that two
/// threads touch at once is broken or worse.
/// </summary>
/// <remarks>
/// A reader has its turn while it decrypts, and gives it away while it waits for bytes (<see cref="TlsTurnStream"/>), so what
/// waits for a turn waits for a computation and never for the network. Turns belong to no thread.
/// </remarks>
internal sealed class TlsTurns
{
    private int _isTaken;

    /// <summary>Takes the turn; waits for it where it is taken, which is a matter of microseconds.</summary>
    public void Enter()
    {
        var wait = default(SpinWait);
        while (!TryEnter())
        {
            wait.SpinOnce();
        }
    }

    /// <summary>Gives it away.</summary>
    public void Leave() => Volatile.Write(ref _isTaken, 0);

    /// <summary>Sends <c>close_notify</c>. Nothing may be written at the same time.</summary>
    public async ValueTask ShutdownAsync(SslStream tls, CancellationToken cancellationToken)
    {
        while (!TryEnter())
        {
            await Task.Yield();
        }

        Task sending;
        try
        {
            // The session is done with when this returns; what is left is to send what came of it.
            sending = tls.ShutdownAsync();
        }
        finally
        {
            Leave();
        }

        await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private bool TryEnter() => Interlocked.CompareExchange(ref _isTaken, 1, 0) == 0;
}
