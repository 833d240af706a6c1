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

    /// <summary>
    /// Cancelled when the connection is to be ended, because a certificate it was made with, this process's or the instance's, ends
    /// soon: at 90 to 95 % of its life; where it was made after 90 % of it, within half of what was left then, but not before 1 s; or,
    /// where the root that vouched for the instance is trusted no longer, within
    /// <see cref="Configuration.MeshOptions.RotationSpread"/>. Everything goes on until the connection is broken off
    /// <see cref="Configuration.MeshIdentityOptions.ExpiryGrace"/> after that certificate's end. Whoever ends it before, where its
    /// protocol allows that, and opens another one, loses nothing. Never cancelled when the connection ends otherwise, nor for one
    /// to an instance that is none of the mesh.
    /// </summary>
    public abstract CancellationToken Closing { get; }

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
