using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Overload;
using MeshClient.Resilience;

namespace MeshClient.Telemetry;

/// <summary>
/// The instruments of the outbound side. Names follow the OpenTelemetry semantic conventions where these have one; the rest
/// begin with <c>meshclient.</c>.
/// </summary>
internal sealed class MeshTelemetry : IDisposable
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "MeshClient";

    public const string ServiceTag = "meshclient.service";
    public const string InstanceTag = "meshclient.instance";
    public const string OutcomeTag = "meshclient.outcome";
    public const string StageTag = "meshclient.stage";
    public const string MethodTag = "http.request.method";
    public const string StatusTag = "http.response.status_code";
    public const string GrpcStatusTag = "rpc.grpc.status_code";
    public const string ResendTag = "http.request.resend_count";
    public const string ErrorTag = "error.type";
    public const string AddressTag = "server.address";
    public const string PortTag = "server.port";
    public const string ProtocolTag = "network.protocol.version";
    public const string DurationTag = "meshclient.duration";

    // The boundaries OpenTelemetry advises for http.client.request.duration, in seconds.
    private static readonly InstrumentAdvice<double> Buckets = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    };

    private static readonly object[] Boxed = [.. Enumerable.Range(0, 1000).Select(number => (object)number)];

    private readonly TimeProvider _time;

    public MeshTelemetry(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        Meter = meters.Create(Name);
        Source = new ActivitySource(Name);
        CallDuration = Meter.CreateHistogram(
            "meshclient.call.duration", "s", "Time of a call to the head of its answer, all attempts together.", advice: Buckets);
        AttemptDuration = Meter.CreateHistogram(
            "meshclient.attempt.duration", "s", "Time of one attempt to the head of its answer.", advice: Buckets);
        Retries = Meter.CreateCounter<long>("meshclient.retries", "{retry}", "Attempts after the first.");
        BudgetExhausted = Meter.CreateCounter<long>(
            "meshclient.retry_budget.exhausted", "{retry}", "Retries and second attempts beside slow ones that were wanted but not in the budget.");
        Hedges = Meter.CreateCounter<long>(
            "meshclient.hedges", "{attempt}", "Attempts made beside a slow one, by whether one of them was answered first.");
        Fallbacks = Meter.CreateCounter<long>("meshclient.fallbacks", "{call}", "Failed calls that the app answered in place of the service.");
    }

    public Meter Meter { get; }

    public ActivitySource Source { get; }

    public Histogram<double> CallDuration { get; }

    public Histogram<double> AttemptDuration { get; }

    public Counter<long> Retries { get; }

    public Counter<long> BudgetExhausted { get; }

    public Counter<long> Hedges { get; }

    public Counter<long> Fallbacks { get; }

    /// <summary>The time between two timestamps.</summary>
    public TimeSpan Elapsed(long from, long to) => _time.GetElapsedTime(from, to);

    /// <summary>The same, in seconds.</summary>
    public double Seconds(long from, long to) => Elapsed(from, to).TotalSeconds;

    /// <summary>A number as an object, without making a new one each time.</summary>
    public static object Box(int number) => (uint)number < (uint)Boxed.Length ? Boxed[number] : number;

    /// <summary>Adds the figures that are looked up when somebody collects them.</summary>
    public void Observe(WatchRunner watches, DestinationTable destinations, MeshCircuitBreakers breakers)
    {
        Meter.CreateObservableGauge(
            "meshclient.circuit_breaker.state",
            () => breakers.All.Select(breaker => new Measurement<int>(
                (int)breaker.State, new KeyValuePair<string, object?>(ServiceTag, breaker.Service))),
            null,
            "Whether calls to a service are let through: 0 closed, all are; 1 half open, one is; 2 open, none is; 3 isolated by hand.");
        Meter.CreateObservableGauge(
            "meshclient.hedging.delay",
            () => destinations.Services
                .Where(service => service.Hedging?.Delay is not null)
                .Select(service => new Measurement<double>(
                    service.Hedging!.Delay!.Value.TotalSeconds, new KeyValuePair<string, object?>(ServiceTag, service.Service.Value))),
            "s",
            "How long a call may take before it is made a second time.");
        Meter.CreateObservableGauge(
            "meshclient.watch.age",
            () => watches.Running
                .Where(watch => watch.Age is not null)
                .Select(watch => new Measurement<double>(
                    watch.Age!.Value.TotalSeconds,
                    new("meshclient.watch", watch.Kind),
                    new(ServiceTag, watch.Subject))),
            "s",
            "How long ago the control plane last confirmed what is in force.");
        Meter.CreateObservableGauge(
            "meshclient.instances",
            () => destinations.Services.SelectMany(Count),
            "{instance}",
            "Instances of the services called, by what is thought of them.");
        Meter.CreateObservableGauge(
            "meshclient.health.panic",
            () => destinations.Services.Select(service => new Measurement<int>(
                service.Health.IsPanicking ? 1 : 0, new KeyValuePair<string, object?>(ServiceTag, service.Service.Value))),
            description: "1 while so few instances of a service are fit that ejections and health checks are ignored.");
        Meter.CreateObservableUpDownCounter(
            "meshclient.calls.active",
            () => destinations.Services.Select(service => new Measurement<int>(
                service.InFlight, new KeyValuePair<string, object?>(ServiceTag, service.Service.Value))),
            "{call}",
            "Calls whose answers have not been read to the end.");
        Meter.CreateObservableGauge(
            "meshclient.retry_budget.balance",
            () => destinations.Services.Select(service => new Measurement<double>(
                service.RetryBudget.Balance(_time.GetTimestamp()),
                new KeyValuePair<string, object?>(ServiceTag, service.Service.Value))),
            "{retry}",
            "Retries that may be made now.");
        ShedTelemetry.Observe(Meter, destinations);
    }

    public void Dispose() => Source.Dispose();

    private static IEnumerable<Measurement<int>> Count(ServiceState service)
    {
        Measurement<int> Of(string state, int count) =>
            new(count, new(ServiceTag, service.Service.Value), new("meshclient.instance.state", state));
        if (service.Snapshot is { } snapshot)
        {
            yield return Of("listed", snapshot.Instances.Count);
            yield return Of("critical", snapshot.Instances.Count(instance => instance.Health == InstanceHealth.Critical));
            yield return Of("ejected", service.Health.Ejected);
            yield return Of("unreachable", service.Health.CountOut(reason => reason is EjectionReason.Unreachable or EjectionReason.IdentityRefused));
            yield return Of("unhealthy", service.Health.CountOut(reason => reason == EjectionReason.HealthCheck));
        }
    }
}
