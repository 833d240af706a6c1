using System.Diagnostics.Metrics;
using MeshClient.Telemetry;

namespace MeshClient.Dialing;

/// <summary>What is counted of the connections opened to one service.</summary>
internal sealed class ConnectionCount(string service, Histogram<double> duration)
{
    private long _opened;
    private long _open;
    private long _sent;
    private long _received;

    public string Service => service;

    public long TotalOpened => Volatile.Read(ref _opened);

    public long Open => Volatile.Read(ref _open);

    public long BytesSent => Volatile.Read(ref _sent);

    public long BytesReceived => Volatile.Read(ref _received);

    public void Opened()
    {
        Interlocked.Increment(ref _opened);
        Interlocked.Increment(ref _open);
    }

    public void Sent(int bytes) => Interlocked.Add(ref _sent, bytes);

    public void Received(int bytes) => Interlocked.Add(ref _received, bytes);

    public void Closed(TimeSpan after, bool inOrder)
    {
        Interlocked.Decrement(ref _open);
        duration.Record(
            after.TotalSeconds,
            new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, service),
            new KeyValuePair<string, object?>(MeshTelemetry.OutcomeTag, inOrder ? "success" : "failure"));
    }
}
