using System.Globalization;
using System.Net;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.Transport;

namespace MeshClient.Tests.Outbound;

public sealed class OutcomeClassifierTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(200, "Success", false)]
    [InlineData(204, "Success", false)]
    [InlineData(304, "Success", false)]
    [InlineData(400, "Success", false)]
    [InlineData(404, "Success", false)]
    [InlineData(429, "Throttled", false)]
    [InlineData(499, "Success", false)]
    [InlineData(500, "InstanceFailure", false)]
    [InlineData(501, "InstanceFailure", false)]
    [InlineData(502, "InstanceFailure", true)]
    [InlineData(503, "Unavailable", true)]
    [InlineData(504, "InstanceFailure", true)]
    [InlineData(599, "InstanceFailure", false)]
    public void AtHead_Status_IsJudged(int status, string verdict, bool elsewhere)
    {
        var outcome = Head(new HttpResponseMessage((HttpStatusCode)status)).Outcome;
        Assert.Equal((verdict, elsewhere, true, false), (outcome.Verdict.ToString(), outcome.MayDoBetterElsewhere, outcome.IsFinal, outcome.ForbidsRetry));
        Assert.Null(outcome.GrpcStatus);
        Assert.Null(outcome.RetryAfter);
    }

    [Theory]
    [InlineData(429, "mesh-shed")]
    [InlineData(503, "mesh-shed")]
    [InlineData(503, "x-envoy-overloaded")]
    [InlineData(503, "Finagle-Http-NonRetryable-Nack")]
    public void AtHead_ShedMarker_IsNotToBeTriedElsewhere(int status, string header)
    {
        var response = new HttpResponseMessage((HttpStatusCode)status);
        response.Headers.Add(header, "true");
        var outcome = Head(response).Outcome;
        Assert.Equal(AttemptVerdict.Shed, outcome.Verdict);
        Assert.False(outcome.MayDoBetterElsewhere);
        Assert.True(outcome is { IsOverload: true, IsPenalised: true, IsInstanceFailure: false });
    }

    [Theory]
    [InlineData(200)]
    [InlineData(404)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(504)]
    public void AtHead_ShedMarkerOnAnotherStatus_ChangesNothing(int status)
    {
        var response = new HttpResponseMessage((HttpStatusCode)status);
        response.Headers.Add("mesh-shed", "concurrency");
        Assert.Equal(Head(new HttpResponseMessage((HttpStatusCode)status)).Outcome, Head(response).Outcome);
    }

    [Theory]
    [InlineData(0, "Success")]
    [InlineData(4, "InstanceFailure")]
    [InlineData(8, "Shed")]
    [InlineData(13, "InstanceFailure")]
    [InlineData(14, "Shed")]
    public void Judge_GrpcShedMarker_CountsInHeadAndTrailersAndWithOverloadOnly(int status, string verdict)
    {
        var expected = Enum.Parse<AttemptVerdict>(verdict);
        Assert.Equal(expected, Head(Grpc(head: [("grpc-status", $"{status}"), ("mesh-shed", "rate")])).Outcome.Verdict);
        var streamed = Head(Grpc());
        streamed.Response!.TrailingHeaders.Add("grpc-status", $"{status}");
        streamed.Response.TrailingHeaders.Add("mesh-shed", "rate");
        streamed.JudgeEnd(_time);
        Assert.Equal(expected, streamed.Outcome.Verdict);
    }

    [Theory]
    [InlineData("0", 0.0)]
    [InlineData("7", 7.0)]
    [InlineData("300", 300.0)]
    [InlineData("86400", 300.0)]
    [InlineData("soon", null)]
    [InlineData("-3", null)]
    public void AtHead_RetryAfterInSeconds_IsReadAndBounded(string value, double? seconds)
    {
        var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        response.Headers.TryAddWithoutValidation("Retry-After", value);
        Assert.Equal(seconds, Head(response).Outcome.RetryAfter?.TotalSeconds);
    }

    [Theory]
    [InlineData(20, 20.0)]
    [InlineData(-20, 0.0)]
    [InlineData(100_000, 300.0)]
    public void AtHead_RetryAfterAsDate_IsTheTimeUntilThen(int fromNow, double seconds)
    {
        var response = new HttpResponseMessage(HttpStatusCode.TooManyRequests);
        // The form of the header has whole seconds.
        var now = DateTimeOffset.FromUnixTimeSeconds(_time.GetUtcNow().ToUnixTimeSeconds() + 1);
        _time.Advance(now - _time.GetUtcNow());
        response.Headers.TryAddWithoutValidation("Retry-After", now.AddSeconds(fromNow).ToString("R", CultureInfo.InvariantCulture));
        Assert.Equal(seconds, Head(response).Outcome.RetryAfter!.Value.TotalSeconds, 6);
    }

    [Theory]
    [InlineData(0, "Success")]
    [InlineData(1, "NotTelling")]
    [InlineData(2, "InstanceFailure")]
    [InlineData(3, "Success")]
    [InlineData(4, "InstanceFailure")]
    [InlineData(5, "Success")]
    [InlineData(6, "Success")]
    [InlineData(7, "Success")]
    [InlineData(8, "Throttled")]
    [InlineData(9, "Success")]
    [InlineData(10, "Success")]
    [InlineData(11, "Success")]
    [InlineData(12, "Success")]
    [InlineData(13, "InstanceFailure")]
    [InlineData(14, "Unavailable")]
    [InlineData(15, "InstanceFailure")]
    [InlineData(16, "Success")]
    [InlineData(17, "InstanceFailure")]
    [InlineData(4711, "InstanceFailure")]
    public void Judge_GrpcStatus_SameInHeadAndTrailers(int status, string verdict)
    {
        var (expected, name) = (Enum.Parse<AttemptVerdict>(verdict), status <= 16 ? (GrpcStatus)status : GrpcStatus.Unknown);
        var trailersOnly = Head(Grpc(head: ("grpc-status", $"{status}")));
        Assert.Equal((expected, name), (trailersOnly.Outcome.Verdict, trailersOnly.Outcome.GrpcStatus!.Value));
        Assert.Equal(status == 14, trailersOnly.Outcome.MayDoBetterElsewhere);
        trailersOnly.JudgeEnd(_time);
        Assert.Equal(expected, trailersOnly.Outcome.Verdict);

        var streamed = Head(Grpc());
        Assert.Equal((AttemptVerdict.Undecided, false), (streamed.Outcome.Verdict, streamed.Outcome.IsFinal));
        streamed.Response!.TrailingHeaders.Add("grpc-status", $"{status}");
        streamed.JudgeEnd(_time);
        Assert.Equal((expected, name), (streamed.Outcome.Verdict, streamed.Outcome.GrpcStatus!.Value));
        Assert.False(streamed.Outcome.MayDoBetterElsewhere);
        Assert.Equal(AttemptVerdict.Undecided, streamed.HeadVerdict);
    }

    [Fact]
    public void AtEnd_GrpcThrownAwayBeforeItsStatus_TellsNothing()
    {
        var attempt = Head(Grpc());
        attempt.JudgeEnd(_time);
        Assert.Equal(AttemptVerdict.NotTelling, attempt.Outcome.Verdict);
    }

    [Theory]
    [InlineData("250", 250.0, false)]
    [InlineData("0", 0.0, false)]
    [InlineData("999999999", 300_000.0, false)]
    [InlineData("-1", null, true)]
    [InlineData("x", null, true)]
    public void Judge_GrpcPushback_DelaysOrForbids(string value, double? milliseconds, bool forbids)
    {
        var head = Head(Grpc(head: [("grpc-status", "14"), ("grpc-retry-pushback-ms", value)]));
        var tail = Head(Grpc());
        tail.Response!.TrailingHeaders.Add("grpc-status", "8");
        tail.Response.TrailingHeaders.Add("grpc-retry-pushback-ms", value);
        tail.JudgeEnd(_time);
        foreach (var outcome in (AttemptOutcome[])[head.Outcome, tail.Outcome])
        {
            Assert.Equal((milliseconds, forbids), (outcome.RetryAfter?.TotalMilliseconds, outcome.ForbidsRetry));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    [InlineData(10)]
    public void Judge_GrpcPushback_HoldsForEveryStatusTheAppMayRetry(int status)
    {
        var forbidden = Head(Grpc(head: [("grpc-status", $"{status}"), ("grpc-retry-pushback-ms", "-1")])).Outcome;
        Assert.True(forbidden.ForbidsRetry);
        var later = Head(Grpc(head: [("grpc-status", $"{status}"), ("grpc-retry-pushback-ms", "250")])).Outcome;
        Assert.Equal((TimeSpan.FromMilliseconds(250), false), (later.RetryAfter!.Value, later.ForbidsRetry));
    }

    [Theory]
    [InlineData(409)]
    [InlineData(425)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(504)]
    public void AtHead_RetryAfter_IsReadOfEveryStatusTheAppMayRetry(int status)
    {
        var response = new HttpResponseMessage((HttpStatusCode)status);
        response.Headers.TryAddWithoutValidation("Retry-After", "7");
        Assert.Equal(7.0, Head(response).Outcome.RetryAfter?.TotalSeconds);
    }

    [Theory]
    [InlineData("application/grpc", true)]
    [InlineData("application/grpc+proto", true)]
    [InlineData("APPLICATION/GRPC; charset=utf-8", true)]
    [InlineData("application/grpc-web", false)]
    [InlineData("application/json", false)]
    public void AtHead_ContentType_TellsGrpc(string type, bool isGrpc)
    {
        var response = Grpc();
        response.Content.Headers.Remove("Content-Type");
        response.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        Assert.Equal(isGrpc ? AttemptVerdict.Undecided : AttemptVerdict.Success, Head(response).Outcome.Verdict);
    }

    [Fact]
    public void AtHead_GrpcCallAnsweredByAProxy_IsJudgedByTheHttpStatus()
    {
        var response = Grpc();
        response.StatusCode = HttpStatusCode.ServiceUnavailable;
        Assert.Equal(AttemptVerdict.Unavailable, Head(response).Outcome.Verdict);
    }

    [Fact]
    public void AtEnd_BodyThatBroke_IsAFailureNotToBeRepeated()
    {
        var attempt = Head(new HttpResponseMessage(HttpStatusCode.OK));
        attempt.BodyFailure = new IOException();
        attempt.JudgeEnd(_time);
        Assert.Equal((AttemptVerdict.InstanceFailure, false), (attempt.Outcome.Verdict, attempt.Outcome.MayDoBetterElsewhere));
        Assert.Equal(AttemptVerdict.Success, attempt.HeadVerdict);
    }

    [Theory]
    [InlineData(200, "NotTelling")]
    [InlineData(404, "NotTelling")]
    [InlineData(429, "Throttled")]
    [InlineData(500, "InstanceFailure")]
    [InlineData(503, "Unavailable")]
    public void AtEnd_BodyThatWasCutOffFromHere_IsNoSuccess(int status, string verdict)
    {
        var attempt = Head(new HttpResponseMessage((HttpStatusCode)status));
        attempt.BodyFailure = new TaskCanceledException();
        attempt.JudgeEnd(_time);
        Assert.Equal(verdict, attempt.Outcome.Verdict.ToString());
    }

    [Fact]
    public void AtEnd_GrpcAnswerThatWasCutOffFromHere_TellsNothing()
    {
        var attempt = Head(Grpc());
        attempt.BodyFailure = new TaskCanceledException();
        attempt.JudgeEnd(_time);
        Assert.Equal((AttemptVerdict.Undecided, AttemptVerdict.NotTelling), (attempt.HeadVerdict, attempt.Outcome.Verdict));
    }

    public static TheoryData<string, Exception> Failures() => new()
    {
        { "ConnectFailure", new HttpRequestException(HttpRequestError.ConnectionError) },
        { "ConnectFailure", new HttpRequestException(HttpRequestError.SecureConnectionError) },
        { "PeerRefused", new HttpRequestException(HttpRequestError.SecureConnectionError, null, new PeerIdentityException("x", new IOException())) },
        { "InstanceFailure", new HttpRequestException(HttpRequestError.ResponseEnded) },
        { "InstanceFailure", new TaskCanceledException() },
        { "NotTelling", new MeshCallException(MeshFailureReason.NoInstances, "orders", "Pick", "none") },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void AtHead_Failure_IsJudged(string verdict, Exception failure)
    {
        var attempt = Attempt(null, failure);
        attempt.JudgeHead(_time);
        Assert.Equal((verdict, verdict != "NotTelling"), (attempt.Outcome.Verdict.ToString(), attempt.Outcome.MayDoBetterElsewhere));
        attempt.JudgeEnd(_time);
        Assert.Equal(verdict, attempt.Outcome.Verdict.ToString());
    }

    [Fact]
    public void AtHead_CallerGaveUpOrAnotherAttemptWon_TellsNothing()
    {
        var cancelled = Attempt(null, new TaskCanceledException(), gaveUp: true);
        cancelled.JudgeHead(_time);
        Assert.Equal(AttemptVerdict.NotTelling, cancelled.Outcome.Verdict);
        var superseded = Attempt(null, new TaskCanceledException());
        superseded.IsSuperseded = true;
        superseded.JudgeHead(_time);
        Assert.Equal(AttemptVerdict.NotTelling, superseded.Outcome.Verdict);
    }

    private static HttpResponseMessage Grpc(params (string Name, string Value)[] head)
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent([]) };
        response.Content.Headers.TryAddWithoutValidation("Content-Type", "application/grpc");
        foreach (var (name, value) in head)
        {
            response.Headers.TryAddWithoutValidation(name, value);
        }

        return response;
    }

    private static OutboundAttempt Attempt(HttpResponseMessage? response, Exception? failure, bool gaveUp = false)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Content = new ByteArrayContent([]) };
        var call = new OutboundCall(request, new Destination(default, null!), 1, rejection: null, new CancellationToken(gaveUp));
        return new OutboundAttempt(call, 1)
        {
            Instance = TestInstances.Make(1, new FakeTimeProvider())[0],
            Response = response,
            Failure = failure,
            Pool = new ConnectionPool(new SocketsHttpHandler(), null),
        };
    }

    private OutboundAttempt Head(HttpResponseMessage response)
    {
        var attempt = Attempt(response, null);
        attempt.JudgeHead(_time);
        return attempt;
    }
}
