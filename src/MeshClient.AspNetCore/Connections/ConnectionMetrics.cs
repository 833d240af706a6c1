using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Dialing;
using MeshClient.Identity;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// What is counted of raw connections accepted, in the meter <c>MeshClient</c>. Bytes are added up where they pass and looked up
/// when somebody collects.
/// </summary>
internal sealed class ConnectionMetrics
{
    private readonly MeshIdentity _identity;
    private readonly BoundedSources _sources = new();
    private readonly BoundedNames _rules = new();
    private readonly ConcurrentDictionary<string, SourceCount> _counts = new(StringComparer.Ordinal);
    private readonly Counter<long> _connections;
    private readonly UpDownCounter<long> _active;
    private readonly Histogram<double> _duration;

    public ConnectionMetrics(IMeterFactory meters, MeshIdentity identity)
    {
        _identity = identity;
        var meter = meters.Create(InboundMetrics.MeterName);
        _connections = meter.CreateCounter<long>(
            "meshclient.inbound.connections", "{connection}", "Raw connections that reached this instance, by caller, outcome and deciding rule.");
        _active = meter.CreateUpDownCounter<long>(
            "meshclient.inbound.active_connections", "{connection}", "Raw connections that are open.");
        _duration = meter.CreateHistogram(
            "meshclient.inbound.connection.duration", "s", "How long raw connections were open, by why they ended.", advice: DialTelemetry.Durations);
        meter.CreateObservableCounter(
            "meshclient.inbound.connection.io", LookAtBytes, "By", "Bytes sent and received over raw connections.");
    }

    /// <summary>The count of a caller. Kept for good, since a counter must not go back.</summary>
    public SourceCount CountOf(MeshPeer peer) => _counts.GetOrAdd(_sources.Of(peer), static name => new SourceCount(name));

    public void Decided(SourceCount count, in InboundVerdict verdict)
    {
        if (_connections.Enabled)
        {
            var tags = Tags(count);
            tags.Add(InboundMetrics.OutcomeTag, !verdict.IsPermitted ? InboundMetrics.Denied : verdict.IsShadow ? InboundMetrics.Shadow : InboundMetrics.Permitted);
            tags.Add(InboundMetrics.RuleTag, _rules.Of(verdict.Rule ?? InboundRules.NotEnforced));
            _connections.Add(1, tags);
        }
    }

    public void Opened(SourceCount count) => _active.Add(1, Tags(count));

    public void Closed(SourceCount count, TimeSpan after, string reason)
    {
        _active.Add(-1, Tags(count));
        if (_duration.Enabled)
        {
            var tags = Tags(count);
            tags.Add(InboundMetrics.ReasonTag, reason);
            _duration.Record(after.TotalSeconds, tags);
        }
    }

    private TagList Tags(SourceCount count) => new()
    {
        { InboundMetrics.SourceTag, count.Source },
        { InboundMetrics.DestinationTag, _identity.Service.Value },
    };

    private IEnumerable<Measurement<long>> LookAtBytes()
    {
        Measurement<long> Of(SourceCount count, long bytes, string direction) => new(
            bytes,
            new(InboundMetrics.SourceTag, count.Source),
            new(InboundMetrics.DestinationTag, _identity.Service.Value),
            new(DialTelemetry.DirectionTag, direction));
        foreach (var count in _counts.Values)
        {
            yield return Of(count, count.BytesSent, DialTelemetry.Transmit);
            yield return Of(count, count.BytesReceived, DialTelemetry.Receive);
        }
    }
}
