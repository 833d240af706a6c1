using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using MeshClient.Resilience;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Support;

/// <summary>Calls of gRPC over real connections, with an empty message either way.</summary>
internal static class GrpcAnswer
{
    /// <summary>Makes one, and waits for the head of its answer.</summary>
    public static async Task<HttpResponseMessage> AskAsync(MeshTestEnvironment env, bool idempotent = false)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/pkg.Service/Method")
        {
            Version = HttpVersion.Version20,
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Options.Set(MeshRequestOptions.Idempotent, idempotent);
        return await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, MeshTestEnvironment.Token);
    }

    /// <summary>Answers with the status in the trailers.</summary>
    public static async Task InTrailersAsync(HttpContext context, int status)
    {
        context.Response.ContentType = "application/grpc";
        await context.Response.Body.WriteAsync(new byte[5]);
        await context.Response.Body.FlushAsync();
        context.Response.AppendTrailer("grpc-status", status.ToString(CultureInfo.InvariantCulture));
    }
}
