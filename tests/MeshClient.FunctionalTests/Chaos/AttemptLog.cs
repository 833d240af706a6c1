using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace MeshClient.FunctionalTests.Chaos;

/// <summary>What the client's own figures tell of one service: when attempts were sent to which port, and who was left out when.</summary>
internal sealed class AttemptLog : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<(int Port, long StartedAt)> _attempts = new();
    private readonly ConcurrentQueue<(string Instance, string Reason, long At)> _ejections = new();

    public AttemptLog(string service)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "MeshClient" && instrument.Name is "meshclient.attempt.duration" or "meshclient.ejections")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) =>
        {
            if (Tag(tags, "meshclient.service") is string name && name == service)
            {
                _attempts.Enqueue(((int)Tag(tags, "server.port")!, Now - (long)(seconds * TimeProvider.System.TimestampFrequency)));
            }
        });
        _listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) =>
        {
            if (Tag(tags, "meshclient.service") is string name && name == service)
            {
                _ejections.Enqueue(((string)Tag(tags, "meshclient.instance")!, (string)Tag(tags, "meshclient.reason")!, Now));
            }
        });
        _listener.Start();
    }

    private static long Now => TimeProvider.System.GetTimestamp();

    /// <summary>Attempts sent to a port from a moment on, by when.</summary>
    public IReadOnlyList<long> Attempts(int port, long from) =>
        [.. _attempts.Where(one => one.Port == port && one.StartedAt >= from).Select(one => one.StartedAt).Order()];

    /// <summary>The first time an instance was left out from a moment on.</summary>
    public (string Instance, string Reason, long At)? FirstOut(long from) =>
        _ejections.Where(one => one.At >= from).Select(one => ((string, string, long)?)one).FirstOrDefault();

    public void Dispose() => _listener.Dispose();

    private static object? Tag(ReadOnlySpan<KeyValuePair<string, object?>> tags, string name)
    {
        foreach (var tag in tags)
        {
            if (tag.Key == name)
            {
                return tag.Value;
            }
        }

        return null;
    }
}
