using System.Diagnostics.Metrics;

namespace MeshClient.FunctionalTests.Rotation;

/// <summary>Counts the TLS handshakes of all servers of this process, by the server's own meter.</summary>
internal sealed class HandshakeCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private int _succeeded;
    private int _failed;

    public HandshakeCounter()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Microsoft.AspNetCore.Server.Kestrel", Name: "kestrel.tls_handshake.duration" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            foreach (var tag in tags)
            {
                if (tag.Key == "error.type")
                {
                    Interlocked.Increment(ref _failed);
                    return;
                }
            }

            Interlocked.Increment(ref _succeeded);
        });
        _listener.Start();
    }

    public int Succeeded => Volatile.Read(ref _succeeded);

    public int Failed => Volatile.Read(ref _failed);

    public void Dispose() => _listener.Dispose();
}
