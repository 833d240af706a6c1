using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using MeshClient.Telemetry;

namespace MeshClient.Dialing;

/// <summary>
/// The figures of connections opened, by service. Bytes are added up where they pass and looked up when somebody collects, so
/// that a read or a write costs one addition. How long opening takes is told with the calls, under the method <c>CONNECT</c>.
/// </summary>
internal sealed class DialTelemetry
{
    public const string DirectionTag = "network.io.direction";
    public const string Transmit = "transmit";
    public const string Receive = "receive";

    /// <summary>Seconds: from what is over at once to a day.</summary>
    public static readonly InstrumentAdvice<double> Durations = new()
    {
        HistogramBucketBoundaries = [0.01, 0.1, 1, 10, 60, 300, 1800, 3600, 21_600, 86_400],
    };

    private readonly ConcurrentDictionary<string, ConnectionCount> _counts = new(StringComparer.Ordinal);
    private readonly Histogram<double> _duration;

    public DialTelemetry(IMeterFactory meters)
    {
        var meter = meters.Create(MeshTelemetry.Name);
        _duration = meter.CreateHistogram(
            "meshclient.connection.duration", "s", "How long connections opened to a service were open, by how they ended.", advice: Durations);
        meter.CreateObservableCounter(
            "meshclient.connections", () => Look(count => count.TotalOpened), "{connection}", "Connections opened to a service, for other protocols than HTTP.");
        meter.CreateObservableUpDownCounter(
            "meshclient.connections.active", () => Look(count => count.Open), "{connection}", "Those of them that are open.");
        meter.CreateObservableCounter(
            "meshclient.connection.io", LookAtBytes, "By", "Bytes sent and received over them.");
    }

    /// <summary>The count of a service. Kept for good, since a counter must not go back.</summary>
    public ConnectionCount Of(string service) => _counts.GetOrAdd(service, static (name, duration) => new ConnectionCount(name, duration), _duration);

    private IEnumerable<Measurement<long>> Look(Func<ConnectionCount, long> what) => _counts.Values.Select(
        count => new Measurement<long>(what(count), new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, count.Service)));

    private IEnumerable<Measurement<long>> LookAtBytes()
    {
        static Measurement<long> Of(ConnectionCount count, long bytes, string direction) =>
            new(bytes, new(MeshTelemetry.ServiceTag, count.Service), new(DirectionTag, direction));
        foreach (var count in _counts.Values)
        {
            yield return Of(count, count.BytesSent, Transmit);
            yield return Of(count, count.BytesReceived, Receive);
        }
    }
}
