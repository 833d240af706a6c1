using System.Net;
using System.Net.Http.Json;
using MeshClient.Outbound;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Outbound;

/// <summary>
/// What an HTTP/2 server says of a stream decides whether a POST may be sent elsewhere: from the wire, since nothing but the
/// runtime's exceptions tells.
/// </summary>
public sealed class RetriesOverHttp2Tests
{
    private const int RefusedStream = 7;
    private const int InternalError = 2;
    private const int EnhanceYourCalm = 11;

    // The runtime sends it again by itself to the same instance, this often.
    private const int SentByTheRuntime = 4;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PostAsync_StreamRefused_IsSentElsewhere(bool afterBody)
    {
        await using var env = new MeshTestEnvironment();
        var heads = 0;
        Http2Peer.Start(env, async (stream, frame) =>
        {
            heads += frame.IsHeaders ? 1 : 0;
            if (afterBody ? frame.EndsStream : frame.IsHeaders)
            {
                await Http2Peer.ResetAsync(stream, frame.Stream, RefusedStream);
            }

            return true;
        });
        var bodies = await StartGoodAsync(env);
        for (var i = 0; i < 10 || heads == 0; i++)
        {
            using var response = await env.Client().PostAsync("http://orders/", new StringContent($"pay {i}"), Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(bodies.Distinct(), bodies);
        Assert.Equal(0, heads % SentByTheRuntime);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(0)]
    [InlineData(EnhanceYourCalm)]
    public async Task PostAsync_GoAwayThatLeavesItOut_IsSentElsewhere(int code)
    {
        await using var env = new MeshTestEnvironment();
        var heads = 0;
        Http2Peer.Start(env, async (stream, frame) =>
        {
            if (frame.IsHeaders)
            {
                heads++;
                await Http2Peer.GoAwayAsync(stream, 0, code);
            }

            return true;
        });
        var bodies = await StartGoodAsync(env);
        for (var i = 0; i < 10 || heads == 0; i++)
        {
            using var response = await env.Client().PostAsync("http://orders/", new StringContent($"pay {i}"), Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(bodies.Distinct(), bodies);
    }

    // The runtime may see it before it gives the connection its request, or after.
    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_NewConnectionAskedToCloseAtOnce_IsSentElsewhere()
    {
        await using var env = new MeshTestEnvironment();
        var leaving = Http2Peer.StartLeaving(env);
        var bodies = await StartGoodAsync(env);
        for (var i = 0; i < 20 || leaving.Connections == 0; i++)
        {
            using var response = await env.Client().PostAsync("http://orders/", new StringContent($"pay {i}"), Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(bodies.Distinct(), bodies);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("reset")]
    [InlineData("goaway, then reset")]
    [InlineData("goaway, then closed")]
    public async Task PostAsync_StreamThatMayHaveBeenServed_IsNotSentAgain(string how)
    {
        await using var env = new MeshTestEnvironment();
        var heads = 0;
        for (var i = 0; i < 2; i++)
        {
            Http2Peer.Start(env, async (stream, frame) =>
            {
                if (!frame.IsHeaders)
                {
                    return true;
                }

                Interlocked.Increment(ref heads);
                if (how.StartsWith("goaway", StringComparison.Ordinal))
                {
                    // This one is the last it will serve.
                    await Http2Peer.GoAwayAsync(stream, frame.Stream, 0);
                }

                if (how.EndsWith("reset", StringComparison.Ordinal))
                {
                    await Http2Peer.ResetAsync(stream, frame.Stream, InternalError);
                }

                return !how.EndsWith("closed", StringComparison.Ordinal);
            });
        }

        var failure = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().PostAsync("http://orders/", new StringContent("pay"), Token));
        Assert.Equal((MeshFailureReason.TransportFailed, 1), (failure.Reason, failure.Attempts));
        Assert.Equal(1, heads);
    }

    // What its own body throws has neither a code nor a cause, like what the runtime throws of a request that never left.
    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("length")]
    [InlineData("pages")]
    [InlineData("pages, in the runtime's words")]
    public async Task PostAsync_OwnBodyFailsUnderWay_IsNotSentAgain(string how)
    {
        await using var env = new MeshTestEnvironment();
        var heads = 0;
        for (var i = 0; i < 2; i++)
        {
            Http2Peer.Start(env, (stream, frame) =>
            {
                Interlocked.Add(ref heads, frame.IsHeaders ? 1 : 0);
                return Task.FromResult(true);
            });
        }

        async IAsyncEnumerable<string> PagesAsync()
        {
            // More than is gathered before it is sent, less than the peer takes unasked.
            yield return new string('x', 30_000);
            await Eventually.HoldsAsync(() => heads > 0);
            throw new HttpRequestException(how == "pages" ? "The next page could not be had." : "The server shut down the connection.");
        }

        using HttpContent content = how == "length"
            ? new StringContent("x") { Headers = { ContentLength = 5 } }
            : JsonContent.Create(PagesAsync());
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().PostAsync("http://orders/", content, Token));
        Assert.Equal((MeshFailureReason.TransportFailed, 1), (failure.Reason, failure.Attempts));
        await Eventually.HoldsAsync(() => heads == 1);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_StreamRefusedAndTheBodyKept_IsSentElsewhereWhole()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.ReplayStreams = true);
        var heads = 0;
        Http2Peer.Start(env, async (stream, frame) =>
        {
            heads += frame.IsHeaders ? 1 : 0;
            if (frame.EndsStream)
            {
                await Http2Peer.ResetAsync(stream, frame.Stream, RefusedStream);
            }

            return true;
        });
        var bodies = await StartGoodAsync(env);
        for (var i = 0; i < 10 || heads == 0; i++)
        {
            using var content = new StreamContent(new OnceStream($"pay {i}"));
            using var response = await env.Client().PostAsync("http://orders/", content, Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal($"pay {i}", bodies[^1]);
        }

        Assert.Equal(bodies.Distinct(), bodies);
    }

    private static async Task<List<string>> StartGoodAsync(MeshTestEnvironment env)
    {
        var bodies = new List<string>();
        await env.StartAsync("orders", async context => bodies.Add(await new StreamReader(context.Request.Body).ReadToEndAsync(Token)));
        return bodies;
    }
}
