using MeshClient.Server;
using MeshClient.Server.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Serves a registry and certificate authority on the addresses of a web app.</summary>
public static class MeshServerEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps the HTTP API under <c>/v1/</c>. The server then has no listener of its own, unless
    /// <see cref="MeshServerOptions.ListenAddress"/> asks for one as well. The API hands out private keys: callers from other
    /// machines are answered 403 unless they come over HTTPS and the endpoints have <c>RequireAuthorization()</c>, or
    /// <see cref="MeshServerOptions.AllowUnauthenticatedBeyondLoopback"/> or
    /// <see cref="MeshServerOptions.AllowPlaintextBeyondLoopback"/> lets them in.
    /// </summary>
    /// <param name="endpoints">The app; <c>AddMeshServer()</c> has been called on its services.</param>
    /// <returns>The endpoints, to put requirements on, above all <c>RequireAuthorization()</c>.</returns>
    /// <exception cref="InvalidOperationException"><c>AddMeshServer()</c> has not been called.</exception>
    public static IEndpointConventionBuilder MapMeshServer(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var server = endpoints.ServiceProvider.GetService<HostedMeshServer>()
            ?? throw new InvalidOperationException("MapMeshServer() needs AddMeshServer() to have been called on the services.");
        server.IsMapped = true;
        return endpoints.Map("/v1/{**path}", (RequestDelegate)(http => server.Core.HandleAsync(http))).WithDisplayName("MeshClient.Server");
    }
}
