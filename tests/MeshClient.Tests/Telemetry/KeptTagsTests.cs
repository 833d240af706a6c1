using System.Diagnostics;
using System.Net;
using MeshClient.Outbound;
using MeshClient.Telemetry;

namespace MeshClient.Tests.Telemetry;

public sealed class KeptTagsTests
{
    private const int Most = 4;

    private readonly KeptTags _kept = new(Most);

    [Fact]
    public void Keep_TheSameTwice_LeavesPlaceForOthers()
    {
        // As of two calls that both have found nothing.
        Keep("GET", 200);
        Keep("GET", 200);
        Keep("PUT", 200);
        Keep("GET", 204);
        Keep("GET", 200, GrpcStatus.Ok);
        Assert.Equal("GET 200 ", Found("GET", 200));
        Assert.Equal("PUT 200 ", Found("PUT", 200));
        Assert.Equal("GET 204 ", Found("GET", 204));
        Assert.Equal("GET 200 Ok", Found("GET", 200, GrpcStatus.Ok));
    }

    [Fact]
    public void Keep_MoreThanMost_KeepsTheFirst()
    {
        for (var status = 200; status < 210; status++)
        {
            Keep("GET", status);
        }

        Assert.Equal(
            Enumerable.Range(200, Most).Select(status => $"GET {status} "),
            Enumerable.Range(200, 10).Select(status => Found("GET", status)).OfType<string>());
    }

    [Fact]
    public async Task Keep_ByManyThreads_FindsEachAsItIs()
    {
        var kinds = (from method in (string[])["GET", "PUT"] from status in (int[])[200, 201, 204] select (method, status)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                var (method, status) = kinds[(i + thread) % kinds.Length];
                if (Found(method, status) is { } found)
                {
                    Assert.Equal($"{method} {status} ", found);
                }
                else
                {
                    Keep(method, status);
                }
            }
        })));
        Assert.Equal(Most, kinds.Count(kind => Found(kind.method, kind.status) is not null));
    }

    private static Outcome OutcomeOf(int status, GrpcStatus? grpc) =>
        new(null, new HttpResponseMessage((HttpStatusCode)status), new AttemptOutcome(AttemptVerdict.Success) { GrpcStatus = grpc });

    private void Keep(string method, int status, GrpcStatus? grpc = null) =>
        _kept.Keep(method, OutcomeOf(status, grpc), new TagList { { "kind", $"{method} {status} {grpc}" } });

    private string? Found(string method, int status, GrpcStatus? grpc = null) =>
        _kept.Find(method, OutcomeOf(status, grpc)) is [var tag] ? (string?)tag.Value : null;
}
