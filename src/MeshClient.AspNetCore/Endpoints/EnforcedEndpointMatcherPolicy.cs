using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// Refuses every endpoint to a request that did not come through the inbound pipeline, as in a branch or a second server an
/// app has put together by itself. Without it such a path round the enforcement would go unnoticed.
/// </summary>
internal sealed partial class EnforcedEndpointMatcherPolicy(
    IOptions<MeshInboundOptions> options, TimeProvider time, ILogger<EnforcedEndpointMatcherPolicy> logger)
    : MatcherPolicy, IEndpointSelectorPolicy
{
    private static readonly Endpoint Refusal = new(RefuseAsync, EndpointMetadataCollection.Empty, "Refused: no mesh enforcement");

    private readonly LogLimiter<string> _limiter = new(time);

    // First: nothing else may choose an endpoint before.
    public override int Order => int.MinValue;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => options.Value.Enabled;

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        // The request's own place for its endpoint: with another one in it, the rules of the endpoint would not be asked either.
        if (httpContext.Features.Get<IEndpointFeature>() is not InboundRequest { Verdict.Outcome: InboundOutcome.Permitted or InboundOutcome.OnlyExempt })
        {
            if (_limiter.TryEnter(InboundRules.NotEnforced, out var suppressed))
            {
                LogNotEnforced(logger, LoggedPath.Of(httpContext.Request), suppressed);
            }

            for (var i = 0; i < candidates.Count; i++)
            {
                candidates.SetValidity(i, false);
            }

            httpContext.SetEndpoint(Refusal);
            httpContext.Request.RouteValues = [];
        }

        return Task.CompletedTask;
    }

    private static Task RefuseAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status500InternalServerError;
        context.Response.ContentType = "application/problem+json";
        return context.Response.WriteAsync(
            """
            {"type":"urn:meshclient:problem:not-enforced","title":"This endpoint was reached without mesh enforcement.","status":500,"detail":"The request did not pass the inbound pipeline of AddMeshInbound(); see the log of the service.","rule":"not-enforced"}
            """,
            context.RequestAborted);
    }

    [LoggerMessage(
        102,
        LogLevel.Error,
        "An endpoint was reached at {Path} without mesh enforcement and refused. Requests have to enter through the host's own pipeline; one built by hand does not have the stages of AddMeshInbound(), and nothing may replace the feature IEndpointFeature. {Suppressed} refusals of the same kind before it were not logged.")]
    private static partial void LogNotEnforced(ILogger logger, string path, int suppressed);
}
