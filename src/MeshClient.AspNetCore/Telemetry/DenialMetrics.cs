using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Denials;

namespace MeshClient.AspNetCore.Telemetry;

/// <summary>What was refused, and what would have been, in the meter <c>MeshClient</c>.</summary>
internal sealed class DenialMetrics
{
    private const string StageTag = "meshclient.stage";

    private readonly Counter<long> _denials;
    private readonly Counter<long> _lost;

    public DenialMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(InboundMetrics.MeterName);
        _denials = meter.CreateCounter<long>(
            "meshclient.inbound.denials", "{denial}", "Calls that were refused, or would have been, by caller, service, rule and stage.");
        _lost = meter.CreateCounter<long>(
            "meshclient.inbound.denials.lost", "{denial}", "Denials an observer was not told of, because it was too slow.");
    }

    public void Denied(string source, string destination, string rule, MeshDenialStage stage, bool isShadow) =>
        _denials.Add(1, new TagList
        {
            { InboundMetrics.SourceTag, source },
            { InboundMetrics.DestinationTag, destination },
            { InboundMetrics.RuleTag, rule },
            { StageTag, Name(stage) },
            { InboundMetrics.OutcomeTag, isShadow ? InboundMetrics.Shadow : InboundMetrics.Denied },
        });

    public void EventLost() => _lost.Add(1);

    private static string Name(MeshDenialStage stage) => stage switch
    {
        MeshDenialStage.Handshake => "handshake",
        MeshDenialStage.Connection => "connection",
        MeshDenialStage.OpenConnection => "open-connection",
        MeshDenialStage.Request => "request",
        _ => "running-request",
    };
}
