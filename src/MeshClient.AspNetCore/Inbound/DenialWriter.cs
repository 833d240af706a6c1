using System.Text.Json;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Identity;
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
    private const string GrpcContentType = "application/grpc";
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
        var response = context.Response;
        response.Clear();
        if (IsGrpc(context.Request.ContentType))
        {
            // Trailers-only: the status stands in the headers of an answer without a body.
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = GrpcContentType;
            response.Headers["grpc-status"] = GrpcPermissionDenied;
            response.Headers["grpc-message"] = Uri.EscapeDataString(detail);
            return;
        }

        response.StatusCode = StatusCodes.Status403Forbidden;
        response.ContentType = "application/problem+json";
        var body = Problem(request.Source, destination, rule, detail);
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private static bool IsGrpc(string? contentType) =>
        contentType is not null
        && contentType.StartsWith(GrpcContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == GrpcContentType.Length || contentType[GrpcContentType.Length] is '+' or '-' or ';' or ' ');

    private static ReadOnlyMemory<byte> Problem(string source, string destination, string rule, string detail)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("type", ProblemType);
            writer.WriteString("title", "The mesh does not allow this call.");
            writer.WriteNumber("status", StatusCodes.Status403Forbidden);
            writer.WriteString("detail", detail);
            writer.WriteString("source", source);
            writer.WriteString("destination", destination);
            writer.WriteString("rule", rule);
            writer.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    [LoggerMessage(
        101,
        LogLevel.Warning,
        "Denied {Source} to {Destination} by rule {Rule}: {Method} {Path}. {Suppressed} denials of the same kind before it were not logged.")]
    private static partial void LogDenied(
        ILogger logger, string source, string destination, string rule, string method, string path, int suppressed);
}
