using System.Diagnostics;

namespace MeshClient.Telemetry;

/// <summary>
/// Writes the span of the attempt into the request. The runtime begins a span of its own beneath it for every request; where
/// nobody records that one, an instance that was told of it would have a parent that is in no trace.
/// </summary>
internal sealed class RecordedSpanPropagator : DistributedContextPropagator
{
    public static readonly RecordedSpanPropagator Instance = new();

    private RecordedSpanPropagator()
    {
    }

    public override IReadOnlyCollection<string> Fields => Current.Fields;

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
        // A span that somebody listens to has a source with a name.
        var told = activity is { Source.Name: "", Parent: { Source.Name: MeshTelemetry.Name } parent } ? parent : activity;
        Current.Inject(told, carrier, setter);
    }

    public override void ExtractTraceIdAndState(
        object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState) =>
        Current.ExtractTraceIdAndState(carrier, getter, out traceId, out traceState);

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) =>
        Current.ExtractBaggage(carrier, getter);
}
