using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using MeshClient.Outbound;
using MeshClient.Telemetry;

namespace MeshClient.Tests.Telemetry;

public sealed class KeptTagsTests : IDisposable
{
    private const int Most = 4;

    private readonly KeptTags _kept = new(Most);
    private readonly ThreadLocal<string?> _recorded = new();
    private readonly Meter _meter = new("tests");
    private readonly MeterListener _listener = new();
    private readonly Histogram<double> _duration;

    public KeptTagsTests()
    {
        _duration = _meter.CreateHistogram<double>("duration");
        _listener.SetMeasurementEventCallback<double>((_, value, tags, _) => _recorded.Value = $"{value}: {tags[0].Value}");
        _listener.EnableMeasurementEvents(_duration);
    }

    [Fact]
    public void Record_TheSameAgain_LeavesPlaceForOthers()
    {
        Record("GET", 200);
        Record("GET", 200);
        Record("PUT", 200);
        Record("GET", 204);
        Record("GET", 200, GrpcStatus.Ok);
        Assert.True(Record("GET", 200));
        Assert.True(Record("PUT", 200));
        Assert.True(Record("GET", 204));
        Assert.True(Record("GET", 200, GrpcStatus.Ok));
    }

    [Fact]
    public void Record_TheSameWhileItIsPutTogether_IsKeptOnce()
    {
        // As of two calls that both have found nothing.
        Record("GET", 200, meanwhile: () => Record("GET", 200));
        Record("PUT", 200);
        Record("GET", 204);
        Record("GET", 205);
        Assert.True(Record("GET", 205));
    }

    [Fact]
    public void Record_MoreThanMost_KeepsTheFirst()
    {
        var all = Enumerable.Range(200, 10).ToList();
        all.ForEach(status => Record("GET", status));
        Assert.Equal(all.Take(Most), all.Where(status => Record("GET", status)));
    }

    [Fact]
    public void Record_NotGood_IsNotKept()
    {
        Record("GET", 200, isGood: false);
        Assert.False(Record("GET", 200));
        Assert.False(Record("GET", 200, isGood: false));
        Assert.True(Record("GET", 200));
    }

    [Fact]
    public async Task Record_ByManyThreads_IsRecordedAsItIs()
    {
        var kinds = (from method in (string[])["GET", "PUT"] from status in (int[])[200, 201, 204] select (method, status)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                var (method, status) = kinds[(i + thread) % kinds.Length];
                Record(method, status);
            }
        })));
        Assert.Equal(Most, kinds.Count(kind => Record(kind.method, kind.status)));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meter.Dispose();
        _recorded.Dispose();
    }

    // Whether the tags were kept; whatever they were, they were recorded with the value.
    private bool Record(string method, int status, GrpcStatus? grpc = null, bool isGood = true, Action? meanwhile = null)
    {
        var kind = $"{method} {status} {grpc}";
        var isKept = true;
        var outcome = new Outcome(null, new HttpResponseMessage((HttpStatusCode)status), new AttemptOutcome(AttemptVerdict.Success) { GrpcStatus = grpc });
        _kept.Record(_duration, status, method, outcome, isGood, kind, (string of, string named, in Outcome _) =>
        {
            isKept = false;
            Assert.Equal(method, named);
            meanwhile?.Invoke();
            return new TagList { { "kind", of } };
        });
        Assert.Equal($"{status}: {kind}", _recorded.Value);
        return isKept;
    }
}
