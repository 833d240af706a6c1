using System.Text;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Server.Operations;

/// <summary>What whoever runs the server asks it: metrics, logs, whether it lives, and what it serves.</summary>
internal sealed class OperationsHandlers(
    StateStore store, MetricsCollector metrics, LogTap tap, MeshServerOptions options, TimeProvider time)
{
    public void Map(RouteTable routes)
    {
        var agent = RouteAccess.NeedsOnNode(ResourceKind.Agent, AccessLevel.Read, options.NodeName);
        var probe = RouteAccess.Open("whatever starts the process looks at it, without a token");
        routes.Map("GET", "/v1/agent/metrics", agent, GetMetricsAsync);
        routes.Map("GET", "/v1/agent/monitor", agent, MonitorAsync);
        routes.Map("GET", "/v1/status/live", probe, request => request.AnswerTextAsync(StatusCodes.Status200OK, "live"));
        routes.Map("GET", "/v1/status/ready", probe, GetReadyAsync);
        routes.Map(
            "GET", "/v1/openapi.json", RouteAccess.Open("it tells of the server's kind, not of what it holds"),
            request => request.AnswerJsonAsync(writer => OpenApiDocument.Write(writer, routes)));
    }

    private Task GetMetricsAsync(ApiRequest request)
    {
        var read = metrics.Read();
        return request.Query("format") == "prometheus"
            ? request.AnswerTextAsync(StatusCodes.Status200OK, PrometheusText.Write(read), PrometheusText.ContentType)
            : request.AnswerJsonAsync(writer => GoMetricsJson.Write(writer, read, time.GetUtcNow()));
    }

    private async Task MonitorAsync(ApiRequest request)
    {
        var text = request.Query("loglevel") ?? string.Empty;
        var level = LogTap.ParseLevel(text) ?? throw RequestRefusedException.Invalid($"Bad request: Unknown log level: {text}");
        using var reader = tap.Open(level);
        await request.Http.Response.StartAsync(request.Aborted).ConfigureAwait(false);
        var body = request.Http.Response.BodyWriter;
        await body.FlushAsync(request.Aborted).ConfigureAwait(false);
        await foreach (var line in reader.ReadAsync(request.Aborted).ConfigureAwait(false))
        {
            await body.WriteAsync(Encoding.UTF8.GetBytes(line), request.Aborted).ConfigureAwait(false);
        }
    }

    // Everything is loaded before the first request can come in; what is left is the way out.
    private Task GetReadyAsync(ApiRequest request) => store.Watches.IsClosed
        ? request.AnswerTextAsync(StatusCodes.Status503ServiceUnavailable, "stopping")
        : request.AnswerTextAsync(StatusCodes.Status200OK, "ready");
}
