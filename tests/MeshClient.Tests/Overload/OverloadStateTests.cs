using System.Net;
using MeshClient.Configuration;
using MeshClient.Core.Overload;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Overload;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Overload;

public sealed class OverloadStateTests
{
    private static readonly TimeSpan Answer = TimeSpan.FromMilliseconds(10);

    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(0, true)]
    [InlineData(30, true)]
    [InlineData(0, false)]
    public void Learn_UploadsLast_OnlyTheAnswersTimeCounts(int uploadSeconds, bool isQuick)
    {
        var options = new MeshOptions
        {
            Defaults = { Overload = { Adaptive = { Enabled = true, Algorithm = LimitAlgorithm.Vegas, InitialLimit = 20 } } },
        };
        using var overload = new OverloadState(DestinationSettings.For(options, "orders"), _time, new MeshRandom(1));
        Learn(overload, TimeSpan.Zero, Answer);
        Assert.Equal(20, overload.Limiter.Limit);

        Learn(overload, TimeSpan.FromSeconds(uploadSeconds), isQuick ? Answer : Answer * 100);

        // As quick as ever: there is room. Slower: there is a queue.
        Assert.Equal(isQuick ? 27 : 18, overload.Limiter.Limit);
    }

    private void Learn(OverloadState overload, TimeSpan upload, TimeSpan answer)
    {
        for (var i = 0; i < 11; i++)
        {
            var startedAt = _time.GetTimestamp();
            _time.Advance(upload);
            var sentAt = _time.GetTimestamp();
            _time.Advance(answer);
            using var request = new HttpRequestMessage(HttpMethod.Put, "http://orders/");
            var call = new OutboundCall(request, new Destination(default, null!), startedAt, rejection: null, default);
            var attempt = new OutboundAttempt(call, 1)
            {
                StartedAt = startedAt,
                SentAt = sentAt,
                RespondedAt = _time.GetTimestamp(),
                Response = new HttpResponseMessage(HttpStatusCode.OK),
            };
            attempt.JudgeHead(_time);
            call.Attempt = attempt;
            _time.Advance(TimeSpan.FromMilliseconds(100));
            overload.Learn(call, inFlight: 20, _time.GetTimestamp());
        }
    }
}
