using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Telemetry;

namespace MeshClient.AspNetCore.Overload;

/// <summary>What is counted of requests refused for overload, in the meter <c>MeshClient</c>.</summary>
internal sealed class OverloadMetrics
{
    /// <summary>The tag with the name of a share.</summary>
    public const string ShareTag = "meshclient.share";

    private readonly Meter _meter;
    private readonly Counter<long> _shed;

    public OverloadMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(InboundMetrics.MeterName);
        _shed = _meter.CreateCounter<long>(
            "meshclient.inbound.shed", "{request}", "Requests refused for overload, by caller, reason and share.");
    }

    /// <summary>A reason as it stands in tags and answers.</summary>
    public static string Name(ShedReason reason) => reason == ShedReason.Rate ? "rate" : "concurrency";

    /// <summary>A request was refused.</summary>
    /// <param name="source">The caller, by one of a bounded number of names.</param>
    /// <param name="shed">Why.</param>
    public void Shed(string source, Shed shed)
    {
        if (_shed.Enabled)
        {
            var tags = new TagList { { InboundMetrics.SourceTag, source }, { InboundMetrics.ReasonTag, Name(shed.Reason) } };
            if (shed.Share is { } share)
            {
                tags.Add(ShareTag, share.Name);
            }

            _shed.Add(1, tags);
        }
    }

    /// <summary>Adds the figures that are looked up when somebody collects them.</summary>
    public void Observe(InboundLimiter limiter, ShareTable? shares)
    {
        _meter.CreateObservableGauge(
            "meshclient.inbound.limit", () => limiter.Limit, "{request}", "Requests that may be served at a time.");
        _meter.CreateObservableUpDownCounter(
            "meshclient.inbound.in_flight",
            () => shares is null
                ? [new Measurement<int>(limiter.InFlight)]
                : shares.All.Select(share => new Measurement<int>(share.InFlight, new KeyValuePair<string, object?>(ShareTag, share.Name))),
            "{request}",
            "Requests being served that count against the limit, by share.");
    }
}
