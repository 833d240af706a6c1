using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Features.Authentication;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>Puts the connection's verified peer where the request's stages and the app find it.</summary>
internal static class PeerIdentityMiddleware
{
    public static RequestDelegate Wrap(RequestDelegate next) => context =>
    {
        // Features of the connection are seen through those of the request; only the TLS stage ever sets this one.
        if (context.Features.Get<MeshPeer>() is { } peer)
        {
            var request = context.Features.GetRequiredFeature<InboundRequest>();
            request.Peer = peer;
            if (peer.IsDraining)
            {
                context.Response.Headers.Connection = "close";
            }

            if (context.Features.Get<IHttpAuthenticationFeature>()?.User?.Identity is not { IsAuthenticated: true })
            {
                // What the app's own authentication finds later replaces it.
                context.Features.Set<IHttpAuthenticationFeature>(request);
            }
        }

        return next(context);
    };
}
