using System.Diagnostics.Metrics;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>What the server itself says it holds, by the meter of Kestrel: it counts what ours cannot see.</summary>
internal sealed class ServerConnections : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _active;

    public ServerConnections(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Microsoft.AspNetCore.Server.Kestrel" && ReferenceEquals(instrument.Meter.Scope, meters))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
        {
            // Not what it says of handshakes: one that ends before the hello is taken away there without having been added.
            if (instrument.Name == "kestrel.active_connections")
            {
                Interlocked.Add(ref _active, value);
            }
        });
        _listener.Start();
    }

    public long Active => Interlocked.Read(ref _active);

    public void Dispose() => _listener.Dispose();
}
