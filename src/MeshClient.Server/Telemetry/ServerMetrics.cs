using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Telemetry;

/// <summary>
/// What the server measures of itself: the meter <c>MeshClient.Server</c>, for OpenTelemetry and for its own
/// <c>/v1/agent/metrics</c>. Names and units follow the OpenTelemetry conventions.
/// </summary>
internal sealed class ServerMetrics : IDisposable
{
    public const string MeterName = "MeshClient.Server";

    private static readonly double[] RequestSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    private static readonly double[] ProbeSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30];

    private readonly Histogram<double> _requests;
    private readonly Histogram<double> _probes;
    private readonly Counter<long> _expired;
    private readonly Counter<long> _reaped;

    public ServerMetrics()
    {
        _requests = Meter.CreateHistogram(
            "meshclient.server.request.duration", "s", "Time to answer requests; those that waited for a change are counted with blocking=true.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = RequestSeconds });
        _probes = Meter.CreateHistogram(
            "meshclient.server.check.duration", "s", "Time of the health checks the server carries out.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = ProbeSeconds });
        _expired = Meter.CreateCounter<long>("meshclient.server.check.expired", "{check}", "TTL checks whose time ran out.");
        _reaped = Meter.CreateCounter<long>(
            "meshclient.server.instance.reaped", "{instance}", "Instances taken out because they were critical for longer than they allow.");
    }

    /// <summary>This server's own; several servers in one process have several of the same name.</summary>
    public Meter Meter { get; } = new(MeterName, typeof(ServerMetrics).Assembly.GetName().Version?.ToString(3));

    /// <summary>Measures what the state holds, whenever somebody asks.</summary>
    public void Observe(StateStore store, TtlMonitor beats)
    {
        Meter.CreateObservableGauge("meshclient.server.watches", () => store.Watches.Count, "{query}", "Queries that wait for a change.");
        Meter.CreateObservableGauge("meshclient.server.state.index", () => (long)store.Current.Index, "{index}", "The index of the latest write.");
        Meter.CreateObservableGauge("meshclient.server.nodes", () => store.Current.Catalog.Nodes.Count, "{node}", "Nodes in the catalog.");
        Meter.CreateObservableGauge("meshclient.server.services", () => store.Current.Catalog.Services.Count, "{service}", "Names of services in the catalog.");
        Meter.CreateObservableGauge(
            "meshclient.server.instances", () => store.Current.Catalog.Nodes.Values.Sum(node => node.Instances.Count), "{instance}", "Instances in the catalog.");
        Meter.CreateObservableGauge("meshclient.server.checks", () => CountChecks(store.Current), "{check}", "Checks in the catalog, by status.");
        Meter.CreateObservableGauge(
            "meshclient.server.self_preservation.active", () => beats.IsPreserving ? 1 : 0, "1",
            "1 while instances are kept although their beats have stopped, because most stopped at once.");
        Meter.CreateObservableGauge(
            "meshclient.server.self_preservation.kept", () => beats.Overdue, "{check}", "TTL checks whose time is over and that are held back.");
    }

    public bool IsMeasuringRequests => _requests.Enabled;

    public void RequestDone(string method, string route, int statusCode, bool blocking, TimeSpan duration)
    {
        var tags = new TagList
        {
            { "http.request.method", IsKnown(method) ? method : "_OTHER" },
            { "http.route", route },
            { "http.response.status_code", statusCode },
            { "blocking", blocking ? "true" : "false" },
        };
        _requests.Record(duration.TotalSeconds, tags);
    }

    public void ProbeDone(string type, CheckStatus status, TimeSpan duration) =>
        _probes.Record(duration.TotalSeconds, new TagList { { "type", type }, { "status", status.ToText() } });

    public void CheckExpired() => _expired.Add(1);

    public void InstanceReaped() => _reaped.Add(1);

    public void Dispose() => Meter.Dispose();

    // Any word can be sent as a method, and each would be kept as a series of its own (OpenTelemetry's name for all the others).
    private static bool IsKnown(string method) =>
        method is "GET" or "PUT" or "POST" or "DELETE" or "HEAD" or "OPTIONS" or "PATCH" or "CONNECT" or "TRACE";

    private static IEnumerable<Measurement<int>> CountChecks(ServerState state)
    {
        var counts = new int[3];
        foreach (var node in state.Catalog.Nodes.Values)
        {
            foreach (var check in node.Checks.Values)
            {
                counts[(int)check.Status]++;
            }

            foreach (var check in node.Instances.Values.SelectMany(instance => instance.Checks))
            {
                counts[(int)check.Status]++;
            }
        }

        return Enum.GetValues<CheckStatus>().Select(status => new Measurement<int>(counts[(int)status], new KeyValuePair<string, object?>("status", status.ToText())));
    }
}
