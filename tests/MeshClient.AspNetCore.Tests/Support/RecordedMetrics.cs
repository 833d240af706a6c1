using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>Keeps what the meters of one host's factory measure.</summary>
internal sealed class RecordedMetrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<Measurement> _all = new();

    public RecordedMetrics(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "MeshClient" && ReferenceEquals(instrument.Meter.Scope, meters))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => _all.Enqueue(
            new Measurement(instrument.Name, value, tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value?.ToString()))));
        _listener.Start();
    }

    public IReadOnlyList<Measurement> Of(string instrument) => [.. _all.Where(one => one.Instrument == instrument)];

    public void Dispose() => _listener.Dispose();

    internal sealed record Measurement(string Instrument, long Value, Dictionary<string, string?> Tags);
}
