using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace MeshClient.Outbound;

/// <summary>
/// Puts the mesh into the clients that are its members: innermost of all handlers, whatever order the app added them in, because
/// a call into the mesh never reaches what is below. So the app's own handlers see every call, and see it once, not once per
/// attempt.
/// </summary>
internal sealed class MeshHandlerFilter(IServiceProvider services, IOptionsMonitor<MeshMembership> memberships) : IHttpMessageHandlerBuilderFilter
{
    public Action<HttpMessageHandlerBuilder> Configure(Action<HttpMessageHandlerBuilder> next) => builder =>
    {
        next(builder);
        if (memberships.Get(builder.Name).IsMember && !builder.AdditionalHandlers.OfType<MeshHandler>().Any())
        {
            // Asked for only here: the factory's own parts are made from the container too.
            var factory = (MeshHandlerFactory)services.GetService(typeof(MeshHandlerFactory))!;
            builder.AdditionalHandlers.Add(factory.CreateLink());
        }
    };
}

/// <summary>Whether a client of the factory is in the mesh; one per name of a client.</summary>
internal sealed class MeshMembership
{
    public bool IsMember { get; set; }
}
