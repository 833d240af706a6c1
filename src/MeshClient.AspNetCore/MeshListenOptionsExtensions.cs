using MeshClient.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Puts listeners for other protocols than HTTP into the mesh.</summary>
public static class MeshListenOptionsExtensions
{
    /// <summary>
    /// Puts a listener into the mesh, for a protocol other than HTTP: mutual TLS, intentions about connections at accept, and
    /// registration, so that callers find it by name (<c>IMeshDialer</c>). What is added to the listener after it, such as
    /// <c>UseConnectionHandler</c>, sees the bytes inside TLS, and the caller as <c>IMeshPeerFeature</c> among the features of the
    /// connection. Needs <c>AddMeshInbound()</c>.
    /// </summary>
    /// <param name="listener">The listener.</param>
    /// <param name="endpoint">
    /// Null: the listener is what callers reach by the service's own name, and there is no mesh port for HTTP then. Otherwise the
    /// name of a further endpoint beside that port: callers reach <c>admin</c> of <c>orders</c> as <c>_admin.orders</c>.
    /// </param>
    /// <returns>The listener.</returns>
    /// <remarks>
    /// A connection whose permit is withdrawn is aborted, as is one that has outlived the certificates it was made with. When the
    /// app stops, connections are asked to end (<c>IConnectionLifetimeNotificationFeature</c>) and closed when the time to drain
    /// (<c>Mesh:Registration:DrainTimeout</c>) is over. Each direction ends by itself: completing the connection's output tells the
    /// caller that no more will come, and its input may still be read. With <c>Mesh:Inbound:Enabled</c> false nothing of all this
    /// happens, and the listener is one in plaintext without enforcement, which has to be on a loopback address.
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// <c>AddMeshInbound()</c> was not called, another listener has the same name, or <c>Mesh:Inbound:Enabled</c> is false and the
    /// listener is not on a loopback address.
    /// </exception>
    public static ListenOptions UseMesh(this ListenOptions listener, string? endpoint = null)
    {
        ArgumentNullException.ThrowIfNull(listener);
        var listeners = listener.ApplicationServices.GetService<RawListeners>()
            ?? throw new InvalidOperationException("UseMesh() needs AddMeshInbound() among the app's services.");
        listeners.Add(listener, endpoint);
        return listener;
    }
}
