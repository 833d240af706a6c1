using System.Diagnostics.Metrics;
using MeshClient.Telemetry;

namespace MeshClient.Identity;

/// <summary>What is counted about this process's certificate and the connections made with it, in the meter <c>MeshClient</c>.</summary>
internal sealed class IdentityTelemetry
{
    public const string SideTag = "meshclient.side";

    private readonly Meter _meter;
    private readonly TimeProvider _time;
    private readonly Counter<long> _ended;
    private readonly Counter<long> _renewals;

    public IdentityTelemetry(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        _meter = meters.Create(MeshTelemetry.Name);
        _ended = _meter.CreateCounter<long>(
            "meshclient.identity.connections_ended",
            "{connection}",
            "Connections drained, and aborted, because a certificate they were made with was about to end or had ended.");
        _renewals = _meter.CreateCounter<long>("meshclient.identity.renewals", "{certificate}", "Certificates this process got after its first.");
    }

    public void Observe(MeshIdentity identity) => _meter.CreateObservableGauge(
        "meshclient.identity.expires_in",
        () => identity.Current is { } current
            ? [new Measurement<double>((current.Leaf.NotAfter - _time.GetUtcNow()).TotalSeconds)]
            : (IEnumerable<Measurement<double>>)[],
        "s",
        "How long this process's certificate is still valid; negative when it has ended.");

    public void Renewed() => _renewals.Add(1);

    public void ConnectionEnded(string side, bool wasAborted) =>
        _ended.Add(1, new(SideTag, side), new(MeshTelemetry.OutcomeTag, wasAborted ? "aborted" : "drained"));
}
