using System.Diagnostics.CodeAnalysis;
using MeshClient.Core.Naming;

namespace MeshClient.Dialing;

/// <summary>
/// An open connection to one instance of a service, as a stream of bytes in both directions. One may read and one may write at
/// the same time.
/// </summary>
/// <remarks>
/// Each direction ends by itself: a read of 0 says that the instance will send no more (over TLS: it sent <c>close_notify</c>, RFC
/// 8446, section 6.1), and writing goes on; <see cref="CloseWriteAsync"/> says the same to the instance, and reading goes on.
/// Disposing ends both, in order; while something is being written it breaks the connection off instead. What breaks it is an <see cref="IOException"/> that names the service and the instance.
/// </remarks>
[SuppressMessage("Naming", "CA1710:Identifiers should have correct suffix", Justification = "It is a connection first; that it can be read and written is how it is used.")]
public abstract class MeshConnection : Stream
{
    /// <summary>The service.</summary>
    public abstract ServiceName Service { get; }

    /// <summary>The instance of it.</summary>
    public abstract InstanceId InstanceId { get; }

    /// <summary>
    /// Who the instance has proved to be. Null: it is none of the mesh, and was connected to over ordinary TLS, or in plaintext
    /// because the app allows that (<see cref="Configuration.MeshDestinationOptions.AllowPlaintext"/>).
    /// </summary>
    public abstract SpiffeId? PeerId { get; }

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override long Length => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>
    /// Tells the instance that nothing more will be sent; reading goes on. Everything written has to have been written before it
    /// is called. Calling it again does nothing.
    /// </summary>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="IOException">The connection is broken.</exception>
    /// <exception cref="InvalidOperationException">Something is being written.</exception>
    public abstract ValueTask CloseWriteAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends the connection at once, so that the instance sees it break off instead of come to its end.</summary>
    public abstract void Abort();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override void SetLength(long value) => throw new NotSupportedException();
}
