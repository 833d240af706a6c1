using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Features.Authentication;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>Puts the connection's verified peer where the app finds it.</summary>
internal static class PeerIdentityMiddleware
{
    public static RequestDelegate Wrap(RequestDelegate next) => context =>
    {
        var request = context.Features.GetRequiredFeature<InboundRequest>();
        if (request.Peer is not null)
        {
            if (request.Peer.IsDraining)
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
