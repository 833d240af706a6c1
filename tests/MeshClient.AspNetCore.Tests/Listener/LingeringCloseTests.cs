using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>A connection the server has done with, by a clock turned by hand.</summary>
public sealed class LingeringCloseTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly Pipe _input = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Serve_CallerClosesInItsTurn_IsOverThen()
    {
        var serving = await LingerAsync();
        await _input.Writer.WriteAsync(new byte[100], Token);
        Assert.False(serving.IsCompleted);

        await _input.Writer.CompleteAsync();

        await serving.Bounded();
    }

    [Fact]
    public async Task Serve_ConnectionBreaks_IsOverThen()
    {
        var serving = await LingerAsync();

        await _input.Writer.CompleteAsync(new ConnectionResetException("Broken off."));

        await serving.Bounded();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Serve_CallerDoesNotClose_IsOverAfterASecond(bool keepsSending)
    {
        var serving = await LingerAsync();
        for (var i = 0; i < 9; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(111));
            if (keepsSending)
            {
                // More than the pipe holds unread, so that it is heard and thrown away.
                await _input.Writer.WriteAsync(new byte[100_000], Token).AsTask().Bounded();
            }
        }

        Assert.False(serving.IsCompleted);

        _time.Advance(TimeSpan.FromMilliseconds(2));

        await serving.Bounded();
        Assert.True((await _input.Writer.FlushAsync(Token)).IsCompleted);
    }

    [Theory]
    [InlineData("h2", false)]
    [InlineData("http/1.1", true)]
    public async Task Serve_NotToBeClosedOrNotHttp2_DoesNotLinger(string protocol, bool isClosing)
    {
        await ServeAsync(protocol, async served =>
        {
            if (isClosing)
            {
                await _closing.CancelAsync();
            }

            await EndAsync(served);
        }).Bounded();
    }

    [Fact]
    public async Task Serve_ServerFails_DoesNotLinger()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => ServeAsync("h2", async _ =>
        {
            await _closing.CancelAsync();
            throw new InvalidOperationException("The server's fault.");
        }).Bounded());

        Assert.True((await _input.Writer.FlushAsync(Token)).IsCompleted);
    }

    // By hand: a handler may see that the connection is of no use before it gives it the request, or after.
    [Fact]
    public async Task Request_OnAConnectionAskedToEndBeforeItsFirstByte_IsToldThatItWasNotTaken()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var host = await InboundTestHost.StartAsync(build: builder => builder.Services.AddSingleton<TimeProvider>(time));
        var metrics = host.Metrics;
        // It ends in two minutes, sooner than the server gives a silent peer up.
        var leaf = host.ControlPlane.Authority.IssueLeaf(
            InboundTestHost.Web, lifetime: TimeSpan.FromMinutes(30), now: time.GetUtcNow() - TimeSpan.FromMinutes(27));
        await using var caller = await RawCaller.ConnectAsync(host, leaf, SslApplicationProtocol.Http2);
        await Eventually.HoldsAsync(() => host.Services.GetRequiredService<MeshTlsPolicy>().LiveConnections == 1);
        while (metrics.Of("meshclient.identity.connections_ended").Count == 0)
        {
            Assert.InRange(leaf.NotAfter, time.GetUtcNow(), DateTimeOffset.MaxValue);
            // In steps in which a peer that has not spoken yet is not given up.
            time.Advance(TimeSpan.FromMilliseconds(500));
        }

        byte[] settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        // GET / as the static table of HPACK has it: RFC 7541, appendix A.
        byte[] request = [0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x87];
        await caller.WriteAsync((byte[])[.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. settings, .. request], Token);

        byte[] goAway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        var told = new byte[settings.Length + goAway.Length];
        await caller.ReadExactlyAsync(told, Token).AsTask().Bounded();
        Assert.Equal([.. settings, .. goAway], told);
        var more = caller.ReadAsync(new byte[1], Token).AsTask();
        time.Advance(TimeSpan.FromMilliseconds(900));
        Assert.False(more.IsCompleted);
        await Eventually.HoldsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            return more.IsCompleted;
        });
        Assert.Equal(0, await more);
    }

    [Fact]
    public async Task Post_WhileConnectionsAreClosedAgainAndAgain_NoneIsLost()
    {
        const int Callers = 8;
        const int Calls = 400;
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        var connections = new ConcurrentDictionary<string, byte>();
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapPost("/", async (HttpContext context) =>
            {
                connections.TryAdd(context.Connection.Id, 0);
                await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
                if (context.Request.Query.ContainsKey("last"))
                {
                    context.Features.GetRequiredFeature<IConnectionLifetimeNotificationFeature>().RequestClose();
                }
            }),
            controlPlane: plane);
        using var client = host.CallerFrom("web");
        // One closes them, so that none of the others is refused as often in a row as its handler tries.
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(
            async () =>
            {
                for (var i = 0; i < Calls; i++)
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, caller == 0 && i % 2 == 0 ? "/?last" : "/")
                    {
                        Version = HttpVersion.Version20,
                        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                        Content = new StringContent("x"),
                    };
                    using var response = await client.SendAsync(request, Token);
                    Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                }
            },
            Token)));
        Assert.True(connections.Count > Calls / 4, $"only {connections.Count} connections");
    }

    public void Dispose() => _closing.Dispose();

    private async Task<Task> LingerAsync()
    {
        var serving = ServeAsync("h2", async served =>
        {
            await _closing.CancelAsync();
            await EndAsync(served);
        });
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        return serving;
    }

    private async Task ServeAsync(string protocol, Func<ConnectionContext, Task> serve)
    {
        await using var connection = StageConnection.Create(_input.Reader, PipeWriter.Create(Stream.Null), protocol, _closing.Token);
        await StageConnection.ServeAsync(connection, new LingeringClose(_time).Use, serve);
    }

    // As Kestrel does at the end of an HTTP/2 connection.
    private static async Task EndAsync(ConnectionContext served)
    {
        served.Transport.Input.CancelPendingRead();
        await served.Transport.Input.CompleteAsync();
        await served.Transport.Output.CompleteAsync();
    }
}
