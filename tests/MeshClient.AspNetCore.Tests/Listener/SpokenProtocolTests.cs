using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Text;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>Peers that agree on HTTP/2, as proxies do that hand on bytes, and speak what they will.</summary>
public sealed class SpokenProtocolTests
{
    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n", 1000)]
    [InlineData("POST / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 1000)]
    // The first two letters of the preface, each in a record of its own.
    [InlineData("PROPFIND / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n", 1)]
    public async Task Request_OfHttp11AfterAgreeingOnHttp2_IsServed(string request, int recordLength)
    {
        await using var host = await StartAsync();
        await using var tls = await ConnectAsync(host);
        Assert.Equal(SslApplicationProtocol.Http2, tls.NegotiatedApplicationProtocol);

        foreach (var record in request.Chunk(recordLength))
        {
            await tls.WriteAsync(Encoding.ASCII.GetBytes(record), TestContext.Current.CancellationToken);
        }

        using var reader = new StreamReader(tls, Encoding.ASCII);
        var answer = await reader.ReadToEndAsync(TestContext.Current.CancellationToken).Bounded();
        Assert.StartsWith("HTTP/1.1 200 OK", answer, StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 web", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_OfHttp2_IsServedAsBefore()
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");
        client.DefaultRequestVersion = HttpVersion.Version20;
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;

        Assert.Equal("HTTP/2 web", await client.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("")]
    [InlineData("PR")]
    public async Task Peer_ThatSaysNoMore_IsLetGoWhenTheServerStops(string said)
    {
        await using var host = await StartAsync();
        await using var tls = await ConnectAsync(host);
        await tls.WriteAsync(Encoding.ASCII.GetBytes(said), TestContext.Current.CancellationToken);

        await host.StopAsync().Bounded();

        Assert.True(await IsOverAsync(tls).Bounded());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Peer_OnAConnectionThatIsAskedToEnd_HasASecond(bool speaks)
    {
        var time = new FakeTimeProvider();
        var input = new Pipe();
        using var closing = new CancellationTokenSource();
        await using var connection = StageConnection.Create(input.Reader, PipeWriter.Create(Stream.Null), "h2", closing.Token);
        var serving = ServeAsync(connection, TimeSpan.FromMinutes(2), time);
        time.Advance(TimeSpan.FromMinutes(1));

        await closing.CancelAsync();
        time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.False(serving.IsCompleted);
        if (speaks)
        {
            await input.Writer.WriteAsync("PRI * HTTP/2.0"u8.ToArray(), TestContext.Current.CancellationToken);
        }
        else
        {
            time.Advance(TimeSpan.FromMilliseconds(2));
        }

        Assert.Equal(speaks, await serving.Bounded());
        // Aborted on a thread of its own.
        await Eventually.HoldsAsync(() => connection.ConnectionClosed.IsCancellationRequested != speaks);
    }

    [Fact]
    public async Task Peer_OfAServerThatWaitsForEver_IsWaitedFor()
    {
        var limit = new KestrelServerLimits { KeepAliveTimeout = Timeout.InfiniteTimeSpan }.KeepAliveTimeout;
        var time = new FakeTimeProvider();
        var input = new Pipe();
        await using var connection = StageConnection.Create(input.Reader, PipeWriter.Create(Stream.Null), "h2", CancellationToken.None);
        var serving = ServeAsync(connection, limit, time);

        time.Advance(TimeSpan.FromDays(100));
        Assert.False(serving.IsCompleted);

        await input.Writer.WriteAsync("PRI * HTTP/2.0"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.True(await serving.Bounded());
    }

    [Fact]
    public async Task Peer_ThatLeavesAtOnce_IsNoErrorOfTheServer()
    {
        await using var host = await StartAsync();
        await (await ConnectAsync(host)).DisposeAsync();

        await host.StopAsync().Bounded();

        Assert.DoesNotContain(host.Logs.Lines, line => line.Level >= LogLevel.Error);
    }

    // Whether what comes after it has served the connection.
    private static async Task<bool> ServeAsync(ConnectionContext connection, TimeSpan limit, TimeProvider time)
    {
        var isServed = false;
        await StageConnection.ServeAsync(
            connection,
            listener => listener.Use(next => new SpokenProtocolMiddleware(next, limit, time).OnConnectionAsync),
            _ =>
            {
                isServed = true;
                return Task.CompletedTask;
            });
        return isServed;
    }

    private static async Task<InboundTestHost> StartAsync()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        return await InboundTestHost.StartAsync(
            app => app.Map("/", (HttpContext context) => $"{context.Request.Protocol} {context.Features.Get<IMeshPeerFeature>()?.Service}"),
            controlPlane: plane);
    }

    private static Task<SslStream> ConnectAsync(InboundTestHost host) =>
        RawCaller.ConnectAsync(host, host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web), SslApplicationProtocol.Http2);

    private static async Task<bool> IsOverAsync(SslStream tls)
    {
        try
        {
            return await tls.ReadAsync(new byte[1], TestContext.Current.CancellationToken) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
