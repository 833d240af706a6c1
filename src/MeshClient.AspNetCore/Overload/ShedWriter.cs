using System.Globalization;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Identity;
using MeshClient.Outbound;
using MeshClient.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Overload;

/// <summary>
/// Answers a request that is refused for overload, so that its caller knows it was not executed, when to come back, and that
/// another instance is not to be tried.
/// </summary>
internal sealed partial class ShedWriter(
    MeshIdentity identity, OverloadMetrics metrics, IOptions<MeshInboundOptions> options, TimeProvider time, ILogger<ShedWriter> logger)
{
    private const string ProblemType = "urn:meshclient:problem:overloaded";
    private const string Title = "The service has too much to do.";
    private const string GrpcUnavailable = "14";
    private const string GrpcResourceExhausted = "8";

    private readonly BoundedSources _sources = new();
    private readonly LogLimiter<(string Source, ShedReason Reason)> _limiter = new(time);

    public Task WriteAsync(HttpContext context, InboundRequest request, Shed shed)
    {
        var source = _sources.Of(request.Peer);
        metrics.Shed(source, shed);
        var destination = identity.Service.Value;
        if (_limiter.TryEnter((source, shed.Reason), out var suppressed))
        {
            LogShed(logger, source, destination, shed.Setting, context.Request.Method, LoggedPath.Of(context.Request), suppressed);
        }

        var seconds = Math.Max(1, (long)Math.Ceiling((shed.RetryAfter ?? options.Value.Overload.RetryAfter).TotalSeconds));
        var reason = OverloadMetrics.Name(shed.Reason);
        var isRate = shed.Reason == ShedReason.Rate;
        var what = isRate ? "more requests per second than it serves" : "more requests at a time than it serves";
        return new Refusal(
            isRate ? StatusCodes.Status429TooManyRequests : StatusCodes.Status503ServiceUnavailable,
            isRate ? GrpcResourceExhausted : GrpcUnavailable,
            ProblemType,
            Title,
            $"{destination} got {what} ({shed.Setting}). The request was not executed. Try again after {seconds} s.",
            request.Source,
            destination,
            reason).WriteAsync(
                context,
                new(ShedMarker.HeaderName, reason),
                new(ShedMarker.EnvoyHeaderName, "true"),
                new("Retry-After", seconds.ToString(CultureInfo.InvariantCulture)),
                new("grpc-retry-pushback-ms", "-1"));
    }

    [LoggerMessage(
        120,
        LogLevel.Warning,
        "Refused {Source} to {Destination} for overload ({Setting}): {Method} {Path}. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogShed(
        ILogger logger, string source, string destination, string setting, string method, string path, int suppressed);
}
