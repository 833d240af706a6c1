using System.Buffers;
using System.Text.Json;
using MeshClient.Outbound;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// What a request that is not served is answered with, in its caller's own language: problem details (RFC 9457), or a gRPC
/// status in the headers of an answer without a body (trailers-only).
/// </summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="GrpcStatus">The gRPC status code.</param>
/// <param name="Type">The problem's type.</param>
/// <param name="Title">The problem in one sentence, the same for all of its type.</param>
/// <param name="Detail">This occurrence of it, and what to do.</param>
/// <param name="Source">The calling service.</param>
/// <param name="Destination">This service.</param>
/// <param name="Rule">What decided.</param>
internal sealed record Refusal(
    int Status, string GrpcStatus, string Type, string Title, string Detail, string Source, string Destination, string Rule)
{
    /// <summary>Writes the answer. What was written before, headers included, is gone.</summary>
    /// <param name="context">The request.</param>
    /// <param name="headers">More headers for it.</param>
    public async Task WriteAsync(HttpContext context, params IReadOnlyList<KeyValuePair<string, string>> headers)
    {
        var response = context.Response;
        response.Clear();
        foreach (var (name, value) in headers)
        {
            response.Headers[name] = value;
        }

        if (GrpcContentType.IsOfAnyForm(context.Request.ContentType))
        {
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = GrpcContentType.Name;
            response.Headers[OutcomeClassifier.GrpcStatusHeader] = GrpcStatus;
            response.Headers["grpc-message"] = Uri.EscapeDataString(Detail);
            return;
        }

        response.StatusCode = Status;
        response.ContentType = "application/problem+json";
        var body = Problem();
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private ReadOnlyMemory<byte> Problem()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("type", Type);
            writer.WriteString("title", Title);
            writer.WriteNumber("status", Status);
            writer.WriteString("detail", Detail);
            writer.WriteString("source", Source);
            writer.WriteString("destination", Destination);
            writer.WriteString("rule", Rule);
            writer.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }
}
