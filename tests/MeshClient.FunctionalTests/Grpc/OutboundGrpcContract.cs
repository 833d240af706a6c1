using System.Net;
using MeshClient.Outbound;
using MeshClient.Resilience;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>
/// gRPC through the outbound handler to a server of another make, over mutual TLS: every kind of call and of end, nothing
/// buffered on the way, and nothing left in flight.
/// </summary>
public abstract class OutboundGrpcContract(PeerRuntime runtime)
{
    [Fact]
    public async Task Unary_Answered_HasItsStatusAndTheProvenCallerInTheTrailers()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = GrpcCall.Of(app.Client, "Unary", "hello");

        Assert.Equal("hello", await call.ReceiveAsync());
        var status = await call.EndAsync();

        Assert.Equal((0, false), (status.Code, status.IsTrailersOnly));
        Assert.Equal(runtime.AnswersBy, status.Fields["answered-by"]);
        Assert.Contains(app.Id.ToString(), status.Fields["caller"], StringComparison.Ordinal);
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Unary_OfAMegabyte_ArrivesWholeBothWays()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        var message = new byte[1 << 20];
        for (var i = 0; i < message.Length; i++)
        {
            message[i] = (byte)(i * 31 >> 3);
        }

        using var call = GrpcCall.Of(app.Client, "Unary", message);

        Assert.Equal(message, await call.ReceiveBytesAsync());
        Assert.Equal(0, (await call.EndAsync()).Code);
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task ServerStream_MessagesFarApart_EachArrivesBeforeTheNextIsSent()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = GrpcCall.Of(app.Client, "ServerStream", "3");

        // The head too: the peer sends it, and then waits for the test.
        using var response = await call.Response;
        for (var i = 1; i <= 3; i++)
        {
            await app.Peer.TellAsync("go");
            Assert.Equal($"message {i}", await call.ReceiveAsync());
            Assert.Equal(1, app.ActiveCalls);
        }

        await app.Peer.TellAsync("go");
        Assert.Equal(0, (await call.EndAsync()).Code);
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task ClientStream_MessagesFarApart_EachArrivesBeforeTheNextIsSent()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = new GrpcCall(app.Client, "ClientStream");

        for (var i = 1; i <= 3; i++)
        {
            await call.SendAsync("12345");
            await app.Peer.HearAsync($"received {i}");
        }

        call.Complete();

        Assert.Equal("3 messages, 15 bytes", await call.ReceiveAsync());
        Assert.Equal(0, (await call.EndAsync()).Code);
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task BothWays_EachAnsweredBeforeTheNextIsSent_NothingIsHeldBack()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = new GrpcCall(app.Client, "PingPong");

        for (var i = 1; i <= 50; i++)
        {
            await call.SendAsync($"{i}");
            Assert.Equal($"pong {i}", await call.ReceiveAsync());
        }

        Assert.Equal(1, app.ActiveCalls);
        call.Complete();
        Assert.Equal(0, (await call.EndAsync()).Code);
        Assert.Equal(0, app.ActiveCalls);
        await app.Peer.HearAsync("call PingPong");
        Assert.Equal("call PingPong", Assert.Single(app.Peer.Lines, line => line.StartsWith("call", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task BothWays_LongerThanTheTimeouts_GoesOnOnceTheAnswerHasBegun()
    {
        var limit = TimeSpan.FromSeconds(2);
        await using var app = await CallingApp.StartAsync(runtime, configure: mesh =>
        {
            mesh.Defaults.AttemptTimeout = limit;
            mesh.Defaults.CallTimeout = limit;
            mesh.Defaults.MaxRetries = 0;
        });
        // The first call connects as well, and may not have that done in time.
        await MeshHosts.WaitUntilAsync(async () =>
        {
            using var first = GrpcCall.Of(app.Client, "Unary", "connect");
            return await Record.ExceptionAsync(first.ReceiveAsync) is null;
        });
        using var call = new GrpcCall(app.Client, "PingPong");
        var start = TimeProvider.System.GetTimestamp();

        while (TimeProvider.System.GetElapsedTime(start) < 1.25 * limit)
        {
            await call.SendAsync("1");
            Assert.Equal("pong 1", await call.ReceiveAsync());
        }

        call.Complete();
        Assert.Equal(0, (await call.EndAsync()).Code);
    }

    [Fact]
    public async Task Error_BeforeAnyMessage_StandsInTheHeadOfTheAnswer()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = GrpcCall.Of(app.Client, "Fail", "42");

        var status = await call.EndAsync();

        Assert.Equal((5, "no such order: 100 % für näh", true), (status.Code, status.Message, status.IsTrailersOnly));
        Assert.Equal(0, app.ActiveCalls);
        // An answer of the peer, not a failure of the call: nothing to try again.
        Assert.Equal(0, app.Retries);
    }

    [Fact]
    public async Task Error_AfterMessages_LeavesTheMessagesAndTellsTheStatus()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = GrpcCall.Of(app.Client, "FailMidStream", "42");

        Assert.Equal("message 1", await call.ReceiveAsync());
        Assert.Equal("message 2", await call.ReceiveAsync());
        var status = await call.EndAsync();

        Assert.Equal((10, "lost the thread", false), (status.Code, status.Message, status.IsTrailersOnly));
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Deadline_TheCallersPasses_ThePeerEndsTheCall()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = GrpcCall.Of(app.Client, "Hang", "42", timeout: "1S");

        var status = await call.EndAsync();

        Assert.Equal(4, status.Code);
        await app.Peer.HearAsync("cancelled Hang");
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Deadline_OfWhatTheCallBelongsTo_IsToldToThePeer()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using (var call = GrpcCall.Of(app.Client, "TimeLeft", "x"))
        {
            Assert.Equal("none", await call.ReceiveAsync());
        }

        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(20));
        using (var call = GrpcCall.Of(app.Client, "TimeLeft", "x"))
        {
            Assert.InRange(int.Parse((await call.ReceiveAsync())!, System.Globalization.CultureInfo.InvariantCulture), 1, 20_000);
        }

        // The shorter one, when the client has set one itself.
        using (var call = GrpcCall.Of(app.Client, "TimeLeft", "x", timeout: "9S"))
        {
            Assert.InRange(int.Parse((await call.ReceiveAsync())!, System.Globalization.CultureInfo.InvariantCulture), 1, 9_000);
        }
    }

    [Fact]
    public async Task Deadline_OfWhatTheCallBelongsToPasses_BothEndsKnow()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using (GrpcCall.Of(app.Client, "Unary", "connect"))
        {
            await app.Peer.HearAsync("call Unary");
        }

        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(2));
        using var call = GrpcCall.Of(app.Client, "Hang", "42");

        var failure = await Record.ExceptionAsync(() => call.EndAsync());

        // Ours, or the peer's own status, whichever is first.
        Assert.True(failure is null or MeshCallException { Reason: MeshFailureReason.DeadlineExceeded }, failure?.ToString());
        await app.Peer.HearAsync("cancelled Hang");
    }

    [Theory]
    [InlineData("", 0, 2, 0)]
    [InlineData("250", 0, 2, 500)]
    [InlineData("-1", 14, 0, 0)]
    public async Task Unavailable_BeforeAnyMessage_IsTriedAgainAsThePeerSays(string pushback, int code, int retries, int leastMilliseconds)
    {
        await using var app = await CallingApp.StartAsync(runtime, instances: 2, configure: mesh =>
        {
            mesh.Defaults.Retry.RepeatableEndpoints = ["/pkg.Service/*"];
            mesh.Defaults.Retry.ReplayStreams = true;
        });
        var start = TimeProvider.System.GetTimestamp();
        using var call = GrpcCall.Of(app.Client, "FailFirst", pushback);

        // Each of the two fails once; the third attempt finds one that has.
        if (code == 0)
        {
            Assert.Equal(pushback, await call.ReceiveAsync());
        }

        Assert.Equal(code, (await call.EndAsync()).Code);
        Assert.Equal(retries, app.Retries);
        // What the peers say may come later than what they answer.
        int Heard() => app.Peers.Sum(peer => peer.Lines.Count(line => line == "call FailFirst"));
        await MeshHosts.WaitUntilAsync(() => Task.FromResult(Heard() > retries));
        Assert.Equal(retries + 1, Heard());
        Assert.True(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds >= leastMilliseconds);
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Unavailable_MethodNotMarked_IsNotTriedAgain()
    {
        await using var app = await CallingApp.StartAsync(runtime, instances: 2);
        using var call = GrpcCall.Of(app.Client, "FailFirst", "0");

        Assert.Equal(14, (await call.EndAsync()).Code);
        Assert.Equal(0, app.Retries);
    }

    [Fact]
    public async Task Cancel_BeforeTheHeadOfTheAnswer_ReachesThePeer()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using var call = GrpcCall.Of(app.Client, "Hang", "42");
        await app.Peer.HearAsync("call Hang");

        call.Cancel();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Response);
        await app.Peer.HearAsync("cancelled Hang");
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Cancel_AmidTheAnswer_ReachesThePeer()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using (var call = GrpcCall.Of(app.Client, "ServerStream", "3"))
        {
            await app.Peer.TellAsync("go");
            Assert.Equal("message 1", await call.ReceiveAsync());
        }

        await app.Peer.HearAsync("cancelled ServerStream");
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Cancel_WhileBothSend_ReachesThePeer()
    {
        await using var app = await CallingApp.StartAsync(runtime);
        using (var call = new GrpcCall(app.Client, "PingPong"))
        {
            await call.SendAsync("1");
            Assert.Equal("pong 1", await call.ReceiveAsync());
        }

        await app.Peer.HearAsync("cancelled PingPong");
        Assert.Equal(0, app.ActiveCalls);
    }

    [Fact]
    public async Task Call_TheInstanceDiesInIt_IsNotMadeAgainAtAnother()
    {
        await using var app = await CallingApp.StartAsync(runtime, instances: 2);
        using (var call = GrpcCall.Of(app.Client, "Die", "42"))
        {
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.Response);

            Assert.Equal((MeshFailureReason.TransportFailed, 1), (failure.Reason, failure.Attempts));
        }

        // Whichever is left answers, and had not been called before.
        using var next = GrpcCall.Of(app.Client, "Unary", "hello");
        Assert.Equal("hello", await next.ReceiveAsync());
        Assert.Equal(0, (await next.EndAsync()).Code);
        string[][] Calls() => [.. app.Peers.Select(peer => peer.Lines.Where(line => line.StartsWith("call", StringComparison.Ordinal)).ToArray())];
        await MeshHosts.WaitUntilAsync(() => Task.FromResult(Calls().Sum(calls => calls.Length) >= 2));
        Assert.Equivalent(new string[][] { ["call Die"], ["call Unary"] }, Calls(), strict: true);
        Assert.Equal(0, app.ActiveCalls);
    }
}

/// <summary>To a grpc-js server.</summary>
public sealed class GrpcJsServerTests(GrpcJsRuntime runtime) : OutboundGrpcContract(runtime), IClassFixture<GrpcJsRuntime>;

/// <summary>To a Python grpcio server.</summary>
public sealed class PythonServerTests(PythonRuntime runtime) : OutboundGrpcContract(runtime), IClassFixture<PythonRuntime>;
