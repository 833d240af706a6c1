using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using MeshClient.Identity;
using MeshClient.Telemetry;

namespace MeshClient.AspNetCore.Telemetry;

/// <summary>
/// What the receiving side counts, in the meter <c>MeshClient</c>. Sources are names from verified certificates and rules
/// are ids of intentions, so hardly a caller can make up new series; their number is bounded all the same, for they come and go.
/// </summary>
internal sealed class InboundMetrics
{
    public const string MeterName = MeshTelemetry.Name;
    public const string SourceTag = "meshclient.source";
    public const string DestinationTag = "meshclient.destination";
    public const string OutcomeTag = "meshclient.outcome";
    public const string RuleTag = "meshclient.rule";
    public const string ReasonTag = "meshclient.reason";

    // Values of the outcome.
    public const string Permitted = "permitted";
    public const string Denied = "denied";
    public const string Shadow = "shadow";

    private readonly MeshIdentity _identity;
    private readonly BoundedSources _sources = new();
    private readonly BoundedNames _rules = new();
    private readonly Counter<long> _requests;
    private readonly UpDownCounter<long> _active;
    private readonly Counter<long> _handshakeFailures;
    private readonly Counter<long> _deadlines;

    public InboundMetrics(IMeterFactory meters, MeshIdentity identity)
    {
        _identity = identity;
        var meter = meters.Create(MeterName);
        _requests = meter.CreateCounter<long>(
            "meshclient.inbound.requests", "{request}", "Requests that reached this instance, by caller, outcome and deciding rule.");
        _active = meter.CreateUpDownCounter<long>(
            "meshclient.inbound.active_requests", "{request}", "Requests this instance is serving now.");
        _handshakeFailures = meter.CreateCounter<long>(
            "meshclient.inbound.handshake_failures", "{connection}", "Connections to the mesh listener that ended before or in the TLS handshake.");
        _deadlines = meter.CreateCounter<long>(
            "meshclient.inbound.deadlines", "{request}", "Requests whose deadline passed: refused at once, or cancelled while they were served.");
    }

    /// <summary>The deadline of a request passed.</summary>
    /// <param name="source">The caller; null: nobody knows.</param>
    /// <param name="wasServed">Whether that was while it was being served; otherwise it was refused at once.</param>
    public void DeadlinePassed(MeshPeer? source, bool wasServed) =>
        _deadlines.Add(1, new(SourceTag, _sources.Of(source)), new(OutcomeTag, wasServed ? "cancelled" : "refused"));

    public void Entered() => _active.Add(1);

    public void Left() => _active.Add(-1);

    public void Decided(MeshPeer? source, InboundVerdict verdict)
    {
        if (_requests.Enabled)
        {
            _requests.Add(1, new TagList
            {
                { SourceTag, _sources.Of(source) },
                { DestinationTag, _identity.Service.Value },
                { OutcomeTag, !verdict.IsPermitted ? Denied : verdict.IsShadow ? Shadow : Permitted },
                { RuleTag, _rules.Of(verdict.Rule ?? InboundRules.NotEnforced) },
            });
        }
    }

    public void HandshakeFailed(string reason) => _handshakeFailures.Add(1, new KeyValuePair<string, object?>(ReasonTag, reason));
}
