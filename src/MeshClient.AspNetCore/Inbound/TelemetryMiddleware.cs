using System.Diagnostics;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Opens the request's record, counts what came of it, and keeps those under way: their number for the drain at the end.
/// </summary>
internal sealed class TelemetryMiddleware(InboundMetrics metrics, InboundDrain drain, RunningRequests running)
{
    public RequestDelegate Wrap(RequestDelegate next) => context => InvokeAsync(context, next);

    private async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var request = new InboundRequest(context.Features.Get<RequestOrigin>() ?? running.WithoutPeer);
        context.Features.Set(request);
        // From now on no endpoint is chosen past its rules.
        context.Features.Set<IEndpointFeature>(request);
        drain.Enter(context.Features);
        metrics.Entered();
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            request.Origin.Leave(request);
            metrics.Left();
            drain.Leave();
            metrics.Decided(request.Peer, request.Verdict);
            if (Activity.Current is { IsAllDataRequested: true } activity)
            {
                activity.SetTag(InboundMetrics.SourceTag, request.Source);
                activity.SetTag(InboundMetrics.RuleTag, request.Verdict.Rule);
            }
        }
    }
}
