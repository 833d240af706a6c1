using MeshClient.Outbound;

namespace MeshClient.Dialing;

/// <summary>Opens connections to services of the mesh for protocols other than HTTP. Registered by <c>AddMeshClient()</c>, as a singleton.</summary>
/// <remarks>
/// A connection is opened the way a call is made, through the same stages: the service's instances are resolved, one is chosen by
/// the service's balancer, and one that cannot be connected to is left out and another tried, within the retry budget,
/// <see cref="Configuration.MeshDestinationOptions.ConnectTimeout"/> for each and
/// <see cref="Configuration.MeshDestinationOptions.CallTimeout"/> or the ambient deadline for all. Once it is open no time limit
/// holds. It counts as a call in flight for as long as it is open: for the balancer, and for
/// <see cref="Configuration.MeshDestinationOptions.MaxConcurrency"/>. A picker of the app's own and a hash policy see a
/// <c>CONNECT</c> request without headers. A fallback does not apply.
/// In TLS no application protocol is offered (ALPN): what raw connections lead to, the sidecars of Consul and Envoy and
/// MeshClient's own raw ports, knows none, and some would refuse one they do not know.
/// </remarks>
public interface IMeshDialer
{
    /// <summary>Opens a connection.</summary>
    /// <param name="service">The service's name, such as <c>postgres</c>; <c>_admin.postgres</c> for its endpoint <c>admin</c>.</param>
    /// <param name="cancellationToken">Gives up. Does not close a connection that is open.</param>
    /// <returns>The connection, open and authenticated both ways. The caller disposes it.</returns>
    /// <exception cref="ArgumentException">The name is none of a service.</exception>
    /// <exception cref="MeshCallException">
    /// None could be opened. Names the service, the stage, and the instance tried last; it was not asked to do anything.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    Task<MeshConnection> ConnectAsync(string service, CancellationToken cancellationToken = default);
}
