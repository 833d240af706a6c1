using System.Diagnostics.Metrics;
using MeshClient.Discovery;
using MeshClient.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Overload;

/// <summary>What is told of calls that were not made because a service has too much to do.</summary>
internal sealed partial class ShedTelemetry
{
    /// <summary>Too many were in flight, and there is no queue.</summary>
    public const string Concurrency = "concurrency";

    /// <summary>It waited too long.</summary>
    public const string QueueTimeout = "queue_timeout";

    /// <summary>Newer calls took its place in the queue.</summary>
    public const string QueueFull = "queue_full";

    /// <summary>Too many in a second.</summary>
    public const string Rate = "rate";

    /// <summary>The service would most likely have refused it.</summary>
    public const string Throttling = "throttling";

    /// <summary>The tag that gives one of the reasons above.</summary>
    public const string ReasonTag = "meshclient.reason";

    private readonly Counter<long> _shed;
    private readonly LogLimiter<(string Service, string Reason)> _limiter;
    private readonly ILogger _logger;

    public ShedTelemetry(MeshTelemetry telemetry, TimeProvider time, ILogger<ShedTelemetry> logger)
    {
        _shed = telemetry.Meter.CreateCounter<long>(
            "meshclient.calls.shed", "{call}", "Calls that were not made for overload, by reason.");
        _limiter = new LogLimiter<(string Service, string Reason)>(time);
        _logger = logger;
    }

    /// <summary>A call was not made.</summary>
    public void Shed(string service, string reason, string why)
    {
        _shed.Add(1, new(MeshTelemetry.ServiceTag, service), new(ReasonTag, reason));
        if (_limiter.TryEnter((service, reason), out var suppressed))
        {
            LogShed(_logger, service, reason, why, suppressed);
        }
    }

    /// <summary>Adds the figures that are looked up when somebody collects them.</summary>
    public static void Observe(Meter meter, DestinationTable destinations)
    {
        meter.CreateObservableGauge(
            "meshclient.calls.limit",
            () => destinations.Services.Select(service => Of(service, service.Overload.Limiter.Limit)),
            "{call}",
            "Calls that may be in flight.");
        meter.CreateObservableUpDownCounter(
            "meshclient.calls.queued",
            () => destinations.Services.Select(service => Of(service, service.Overload.Limiter.Waiting)),
            "{call}",
            "Calls that wait for one in flight to end.");
    }

    private static Measurement<int> Of(ServiceState service, int value) =>
        new(value, new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, service.Service.Value));

    [LoggerMessage(
        60, LogLevel.Warning, "A call to {Service} was not made ({Reason}): {Why}. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogShed(ILogger logger, string service, string reason, string why, int suppressed);
}
