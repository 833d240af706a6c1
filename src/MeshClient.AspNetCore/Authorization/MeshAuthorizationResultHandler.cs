using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Authorization;

/// <summary>
/// Answers what a policy refuses for its <see cref="MeshPeerRequirement"/> as the mesh answers a denial, and leaves all else to
/// the handler that was there: to challenge a service for a user's credentials would be no help to it.
/// </summary>
internal sealed class MeshAuthorizationResultHandler(IAuthorizationMiddlewareResultHandler inner, DenialWriter writer)
    : IAuthorizationMiddlewareResultHandler
{
    /// <summary>
    /// Puts it in front of the handler the app has added. One the app adds later takes its place: see <see cref="ResultHandlerCheck"/>.
    /// </summary>
    public static void AddTo(IServiceCollection services)
    {
        var before = ResultHandlerCheck.LastOf(services);
        var ours = ServiceDescriptor.Transient<IAuthorizationMiddlewareResultHandler>(provider => new MeshAuthorizationResultHandler(
            (IAuthorizationMiddlewareResultHandler?)(before?.ImplementationInstance
                ?? before?.ImplementationFactory?.Invoke(provider)
                ?? (before?.ImplementationType is { } type ? ActivatorUtilities.GetServiceOrCreateInstance(provider, type) : null))
                ?? new AuthorizationMiddlewareResultHandler(),
            provider.GetRequiredService<DenialWriter>()));
        services.Add(ours);
        services.AddSingleton(provider => new ResultHandlerCheck(
            services, ours, provider.GetRequiredService<ILogger<ResultHandlerCheck>>()));
    }

    public Task HandleAsync(
        RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded || context.Features.Get<InboundRequest>() is not { } request)
        {
            return inner.HandleAsync(next, context, policy, authorizeResult);
        }

        foreach (var requirement in policy.Requirements)
        {
            if (requirement is MeshPeerRequirement ofPeer && !ofPeer.IsMetBy(request.Peer))
            {
                request.Verdict = InboundVerdict.Denied(new InboundRule(
                    $"policy:{EndpointRules.NameOf(context.GetEndpoint())}",
                    "An authorization policy of this service names others who may call."), isTried: false);
                return writer.WriteAsync(context, request);
            }
        }

        return inner.HandleAsync(next, context, policy, authorizeResult);
    }
}
