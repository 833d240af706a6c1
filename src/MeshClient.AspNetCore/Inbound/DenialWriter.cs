using MeshClient.AspNetCore.Telemetry;
using MeshClient.Identity;
using MeshClient.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Answers a refused request in the caller's own language: problem details (RFC 9457), or a gRPC status. It names the rule,
/// so that whoever may change it can find it, and nothing else of the app.
/// </summary>
internal sealed partial class DenialWriter(MeshIdentity identity, TimeProvider time, ILogger<DenialWriter> logger)
{
    private const string ProblemType = "urn:meshclient:problem:denied";
    private const string Title = "The mesh does not allow this call.";
    private const string GrpcPermissionDenied = "7";

    private readonly LogLimiter<(string Source, string Rule)> _limiter = new(time);

    public async Task WriteAsync(HttpContext context, InboundRequest request)
    {
        var destination = identity.Service.Value;
        var rule = request.Verdict.Rule ?? InboundRules.NotEnforced;
        if (_limiter.TryEnter((request.Source, rule), out var suppressed))
        {
            LogDenied(logger, request.Source, destination, rule, context.Request.Method, LoggedPath.Of(context.Request), suppressed);
        }

        var advice = rule is InboundRules.NoPeer
            ? "Call it through the mesh, or exempt the endpoint."
            : rule is InboundRules.NoIntentionsYet
                ? "Try again, or check the connection to the control plane."
                : "Whoever may change intentions can allow it.";
        var detail = $"{(request.Peer is null ? "A caller without mesh identity" : request.Source)} may not call {destination} this way (rule {rule}). {request.Verdict.Reason} {advice}";
        await new Refusal(
            StatusCodes.Status403Forbidden, GrpcPermissionDenied, ProblemType, Title, detail, request.Source, destination, rule)
            .WriteAsync(context).ConfigureAwait(false);
    }

    [LoggerMessage(
        101,
        LogLevel.Warning,
        "Denied {Source} to {Destination} by rule {Rule}: {Method} {Path}. {Suppressed} denials of the same kind before it were not logged.")]
    private static partial void LogDenied(
        ILogger logger, string source, string destination, string rule, string method, string path, int suppressed);
}
