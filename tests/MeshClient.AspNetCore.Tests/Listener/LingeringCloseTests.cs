using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
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

    [Fact]
    public async Task Post_OnAConnectionAskedToEndBeforeItsFirstByte_IsServedOnAnother()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapPost("/", () => "served"), build: builder => builder.Services.AddSingleton<TimeProvider>(time), controlPlane: plane);
        var metrics = host.Metrics;
        // It ends in two minutes, sooner than the server gives a silent peer up.
        var leaf = plane.Authority.IssueLeaf(InboundTestHost.Web, lifetime: TimeSpan.FromMinutes(30), now: time.GetUtcNow() - TimeSpan.FromMinutes(27));
        using var handler = MeshCaller.Handler(host, MeshCaller.ContextOf(leaf));
        var connections = 0;
        handler.PlaintextStreamFilter = async (context, _) =>
        {
            if (++connections == 1)
            {
                var policy = host.Services.GetRequiredService<MeshTlsPolicy>();
                await Eventually.HoldsAsync(() => policy.LiveConnections == 1);
                while (metrics.Of("meshclient.identity.connections_ended").Count == 0)
                {
                    Assert.InRange(leaf.NotAfter, time.GetUtcNow(), DateTimeOffset.MaxValue);
                    // In steps in which nobody it says it to is given up.
                    time.Advance(TimeSpan.FromMilliseconds(500));
                }
            }

            return context.PlaintextStream;
        };
        using var client = new HttpClient(handler) { Timeout = Eventually.Bound };
        using var request = new HttpRequestMessage(HttpMethod.Post, host.MeshAddress)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent("x"),
        };

        using var response = await client.SendAsync(request, Token);

        Assert.Equal("served", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal(2, connections);
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
