using System.Collections.Concurrent;
using System.Diagnostics;

namespace MeshClient.Tests.Support;

/// <summary>Keeps the spans of one trace, begun by the test.</summary>
internal sealed class SpanRecorder : IDisposable
{
    private readonly ActivityListener _listener;
    private readonly ConcurrentQueue<Activity> _spans = new();
    private readonly Activity _root = new Activity("test").SetIdFormat(ActivityIdFormat.W3C);

    public SpanRecorder()
    {
        _root.ActivityTraceFlags = ActivityTraceFlags.Recorded;
        _root.Start();
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "MeshClient",
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceId == _root.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = span =>
            {
                if (span.TraceId == _root.TraceId)
                {
                    _spans.Enqueue(span);
                }
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public Activity Root => _root;

    /// <summary>The spans that have ended, in the order of their beginning.</summary>
    public IReadOnlyList<Activity> Spans => [.. _spans.OrderBy(span => span.StartTimeUtc)];

    public void Dispose()
    {
        _root.Stop();
        _listener.Dispose();
        _root.Dispose();
    }
}
