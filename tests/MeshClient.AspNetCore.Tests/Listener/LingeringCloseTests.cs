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
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>A connection the server has done with, by a clock turned by hand.</summary>
public sealed class LingeringCloseTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly Pipe _input = new();
    private readonly DefaultConnectionContext _connection;

    public LingeringCloseTests()
    {
        _connection = new DefaultConnectionContext { Transport = new Ends(_input.Reader, PipeWriter.Create(Stream.Null)) };
        _connection.Features.Set<IConnectionLifetimeNotificationFeature>(new ToBeClosed { ConnectionClosedRequested = _closing.Token });
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Serve_CallerClosesInItsTurn_IsOverThen()
    {
        await _closing.CancelAsync();
        var serving = ServeAsync("h2");
        await _input.Writer.WriteAsync(new byte[100], Token);
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        Assert.False(serving.IsCompleted);

        await _input.Writer.CompleteAsync();

        await serving.Bounded();
    }

    [Fact]
    public async Task Serve_CallerDoesNotClose_IsOverAfterASecond()
    {
        await _closing.CancelAsync();
        var serving = ServeAsync("h2");
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.False(serving.IsCompleted);

        _time.Advance(TimeSpan.FromMilliseconds(2));

        await serving.Bounded();
    }

    [Theory]
    [InlineData("h2", false)]
    [InlineData("http/1.1", true)]
    public async Task Serve_NotToBeClosedOrNotHttp2_DoesNotLinger(string protocol, bool isClosing)
    {
        if (isClosing)
        {
            await _closing.CancelAsync();
        }

        await ServeAsync(protocol).Bounded();
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

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        _closing.Dispose();
    }

    private Task ServeAsync(string protocol)
    {
        _connection.Features.Set<ITlsApplicationProtocolFeature>(new Agreed(protocol));
        var listener = new ConnectionBuilder(new ServiceCollection().BuildServiceProvider());
        new LingeringClose(_time).Use(listener);
        // As Kestrel does at the end of an HTTP/2 connection.
        listener.Run(async served =>
        {
            served.Transport.Input.CancelPendingRead();
            await served.Transport.Input.CompleteAsync();
            await served.Transport.Output.CompleteAsync();
        });
        return listener.Build()(_connection);
    }

    private sealed record Ends(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Agreed(string protocol) : ITlsApplicationProtocolFeature
    {
        public ReadOnlyMemory<byte> ApplicationProtocol { get; } = System.Text.Encoding.ASCII.GetBytes(protocol);
    }

    private sealed class ToBeClosed : IConnectionLifetimeNotificationFeature
    {
        public CancellationToken ConnectionClosedRequested { get; set; }

        public void RequestClose()
        {
        }
    }
}
