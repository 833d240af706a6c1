using MeshClient.AspNetCore.Denials;
using MeshClient.Identity;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Answers a refused request in the caller's own language: problem details (RFC 9457), or a gRPC status. It names the rule,
/// so that whoever may change it can find it, and nothing else of the app.
/// </summary>
internal sealed class DenialWriter(MeshIdentity identity, DenialReporter reporter)
{
    private const string ProblemType = "urn:meshclient:problem:denied";
    private const string Title = "The mesh does not allow this call.";
    private const string GrpcPermissionDenied = "7";

    public Task WriteAsync(HttpContext context, InboundRequest request)
    {
        var verdict = request.Verdict;
        reporter.Request(context, request.Peer, verdict);
        var destination = identity.Service.Value;
        var rule = verdict.Rule ?? InboundRules.NotEnforced;
        var advice = rule is InboundRules.NoPeer ? "Call it through the mesh, or exempt the endpoint."
            : rule is InboundRules.NoIntentionsYet ? "Try again, or check the connection to the control plane."
            : verdict.By is InboundRule ? "Whoever runs the service can change the rule."
            : "Whoever may change intentions can allow it.";
        var detail = $"{(request.Peer is null ? "A caller without mesh identity" : request.Source)} may not call {destination} this way (rule {rule}). {verdict.Reason} {advice}";
        return new Refusal(
            StatusCodes.Status403Forbidden, GrpcPermissionDenied, ProblemType, Title, detail, request.Source, destination, rule)
            .WriteAsync(context);
    }
}
