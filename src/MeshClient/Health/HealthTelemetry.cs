using System.Diagnostics.Metrics;
using MeshClient.Core.Naming;
using MeshClient.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Health;

/// <summary>Tells of instances that go out and come back, and of health checks, in figures and in the log.</summary>
internal sealed partial class HealthTelemetry
{
    public const string ReasonTag = "meshclient.reason";
    public const string ResultTag = "meshclient.probe.result";

    private readonly ILogger<HealthTelemetry> _logger;
    private readonly Counter<long> _ejections;
    private readonly Counter<long> _probes;

    public HealthTelemetry(IMeterFactory meters, ILogger<HealthTelemetry> logger)
    {
        _logger = logger;
        // The factory gives the same meter for the same name.
        var meter = meters.Create(MeshTelemetry.Name);
        _ejections = meter.CreateCounter<long>(
            "meshclient.ejections", "{ejection}", "Times an instance was left out, or for longer.");
        _probes = meter.CreateCounter<long>(
            "meshclient.probes", "{probe}", "Health checks this process has made.");
    }

    public void Changed(ServiceName service, string instance, in HealthChange change)
    {
        if (change.Kind == HealthChangeKind.CameBack)
        {
            LogCameBack(_logger, instance, service.Value, change.Reason);
            return;
        }

        _ejections.Add(
            1,
            new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, service.Value),
            new KeyValuePair<string, object?>(MeshTelemetry.InstanceTag, instance),
            new KeyValuePair<string, object?>(ReasonTag, change.Reason.ToString()));
        if (change.Kind == HealthChangeKind.StaysOut)
        {
            LogStaysOut(_logger, instance, service.Value, change.Length, change.Reason);
        }
        else if (change.Length == TimeSpan.Zero)
        {
            LogUnhealthy(_logger, instance, service.Value);
        }
        else
        {
            LogWentOut(_logger, instance, service.Value, change.Length, change.Reason);
        }
    }

    public void PanicChanged(ServiceName service, bool isPanicking, int percent)
    {
        if (isPanicking)
        {
            LogPanic(_logger, service.Value, percent);
        }
        else
        {
            LogPanicOver(_logger, service.Value);
        }
    }

    public void Probed(ServiceName service, string instance, string result) => _probes.Add(
        1,
        new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, service.Value),
        new KeyValuePair<string, object?>(MeshTelemetry.InstanceTag, instance),
        new KeyValuePair<string, object?>(ResultTag, result));

    [LoggerMessage(30, LogLevel.Warning, "Instance {Instance} of {Service} is left out for {Length} at least: {Reason}.")]
    private static partial void LogWentOut(ILogger logger, string instance, string service, TimeSpan length, EjectionReason reason);

    [LoggerMessage(31, LogLevel.Information, "Instance {Instance} of {Service} stays out for another {Length} at least: {Reason}.")]
    private static partial void LogStaysOut(ILogger logger, string instance, string service, TimeSpan length, EjectionReason reason);

    [LoggerMessage(32, LogLevel.Information, "Instance {Instance} of {Service} is called again; it had been left out: {Reason}.")]
    private static partial void LogCameBack(ILogger logger, string instance, string service, EjectionReason reason);

    [LoggerMessage(33, LogLevel.Warning, "Instance {Instance} of {Service} is left out until it passes the health checks of this process.")]
    private static partial void LogUnhealthy(ILogger logger, string instance, string service);

    [LoggerMessage(34, LogLevel.Warning, "Less than {Percent} % of the instances of {Service} are fit: ejections and health checks are ignored.")]
    private static partial void LogPanic(ILogger logger, string service, int percent);

    [LoggerMessage(35, LogLevel.Information, "Enough instances of {Service} are fit again.")]
    private static partial void LogPanicOver(ILogger logger, string service);
}
