using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Identity;
using MeshClient.Outbound;
using MeshClient.Resilience;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Takes over the deadline of the caller: refuses what is late already, cancels <see cref="HttpContext.RequestAborted"/> when
/// it ends, and has every call made for the request keep to it (<see cref="MeshDeadline"/>).
/// </summary>
/// <remarks>
/// Only what callers in the mesh send counts. The time is what was left when they sent it, so the way here comes on top; that is
/// little, and needs no clocks that agree. Finagle (DeadlineFilter) sends absolute times and has to guard against clocks that
/// do not.
/// </remarks>
internal sealed class DeadlineMiddleware(
    IOptions<MeshInboundOptions> options, InboundMetrics metrics, MeshIdentity identity, TimeProvider time)
{
    private const string ProblemType = "urn:meshclient:problem:deadline-passed";
    private const string GrpcDeadlineExceeded = "4";

    // How often the system looks at its timers, at the least.
    private static readonly TimeSpan ClockTick = TimeSpan.FromMilliseconds(16);

    private readonly MeshInboundDeadlineOptions _options = options.Value.Deadline;

    public RequestDelegate Wrap(RequestDelegate next) => context =>
    {
        var request = context.Features.GetRequiredFeature<InboundRequest>();
        return (Read(context.Request, request) ?? _options.Default) is { } left ? InvokeAsync(context, request, left, next) : next(context);
    };

    private TimeSpan? Read(HttpRequest http, InboundRequest request)
    {
        if (request.Peer is null || !_options.Enabled)
        {
            return null;
        }

        TimeSpan? shortest = null;
        if (http.Headers.TryGetValue(TimeoutHeader.Http, out var own) && TimeoutHeader.TryParseMilliseconds(own.ToString(), out var left))
        {
            shortest = left;
        }

        if (http.Headers.TryGetValue(TimeoutHeader.Envoy, out var envoy)
            && TimeoutHeader.TryParseMilliseconds(envoy.ToString(), out left) && !(shortest <= left))
        {
            shortest = left;
        }

        if (GrpcContentType.IsOfAnyForm(http.ContentType) && http.Headers.TryGetValue(TimeoutHeader.Grpc, out var grpc)
            && TimeoutHeader.TryParseGrpc(grpc.ToString(), out left) && !(shortest <= left))
        {
            shortest = left;
        }

        return shortest;
    }

    private async Task InvokeAsync(HttpContext context, InboundRequest request, TimeSpan left, RequestDelegate next)
    {
        if (left <= TimeSpan.Zero)
        {
            request.Verdict = InboundRules.Late;
            metrics.DeadlinePassed(request.Peer, wasServed: false);
            await RefuseAsync(context, request, "had passed before it got here").ConfigureAwait(false);
            return;
        }

        var callers = context.RequestAborted;
        using var end = new CancellationTokenSource(left, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(end.Token, callers);
        using var deadline = MeshDeadline.Begin(left, time);
        context.RequestAborted = either.Token;
        var hasPassed = false;
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (Exception e) when (
            (e is OperationCanceledException && end.IsCancellationRequested) || IsOf(deadline, e))
        {
            hasPassed = true;
            if (callers.IsCancellationRequested || context.Response.HasStarted)
            {
                throw;
            }

            // The token that cancelled it would cancel the answer as well.
            context.RequestAborted = callers;
            await RefuseAsync(context, request, "passed while it was being served").ConfigureAwait(false);
        }
        finally
        {
            context.RequestAborted = callers;
            if ((hasPassed || end.IsCancellationRequested) && !callers.IsCancellationRequested)
            {
                metrics.DeadlinePassed(request.Peer, wasServed: true);
            }
        }
    }

    // A call made for the request has a clock of its own, and notices the end of the same deadline a moment before this one.
    private static bool IsOf(MeshDeadline deadline, Exception failure) =>
        failure is MeshCallException { Reason: MeshFailureReason.DeadlineExceeded } && deadline.Remaining <= ClockTick;

    private Task RefuseAsync(HttpContext context, InboundRequest request, string when) =>
        new Refusal(
            StatusCodes.Status504GatewayTimeout,
            GrpcDeadlineExceeded,
            ProblemType,
            "The deadline of this call has passed.",
            $"The deadline that {(request.Peer is null ? "this service sets" : request.Source + " set")} for the call to {identity.Service.Value} {when}. Allow more time where the call begins, or find out where it is spent.",
            request.Source,
            identity.Service.Value,
            InboundRules.DeadlinePassed).WriteAsync(context);
}
