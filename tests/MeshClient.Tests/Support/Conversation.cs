using System.Net;
using System.Net.WebSockets;
using System.Threading.Channels;

namespace MeshClient.Tests.Support;

/// <summary>An answer that goes on for as long as a test wants, byte by byte, over whatever carries it.</summary>
internal sealed class Conversation : IAsyncDisposable
{
    private readonly ChannelWriter<byte> _server;
    private readonly Func<Memory<byte>, CancellationToken, Task<int>> _read;
    private readonly IDisposable[] _owned;

    private Conversation(ChannelWriter<byte> server, Func<Memory<byte>, CancellationToken, Task<int>> read, params IDisposable[] owned)
    {
        _server = server;
        _read = read;
        _owned = owned;
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Begins one at <c>http://orders/stream</c>.</summary>
    /// <param name="env">The app that calls.</param>
    /// <param name="kind">HTTP/1.1, HTTP/2 or WebSocket.</param>
    /// <param name="server">What the server is told to say.</param>
    public static async Task<Conversation> BeginAsync(MeshTestEnvironment env, string kind, ChannelWriter<byte> server)
    {
        if (kind == "WebSocket")
        {
            var invoker = new HttpMessageInvoker(env.Handlers.Create());
            var socket = new ClientWebSocket();
            await socket.ConnectAsync(new Uri("ws://orders/stream"), invoker, Token).BoundedAsync();
            return new Conversation(server, async (buffer, token) => (await socket.ReceiveAsync(buffer, token)).Count, socket, invoker);
        }

        using var request = Request("stream", kind);
        var response = await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token).BoundedAsync();
        Assert.Equal(kind == "HTTP/2" ? HttpVersion.Version20 : HttpVersion.Version11, response.Version);
        var body = await response.Content.ReadAsStreamAsync(Token);
        return new Conversation(server, (buffer, token) => body.ReadAsync(buffer, token).AsTask(), body, response);
    }

    /// <summary>A request at <c>http://orders/path</c> that goes over one connection at most, for tests that count them.</summary>
    /// <remarks>
    /// One that is open to HTTP/2 and finds HTTP/1.1 may make two: the runtime's handler has it wait for another connection when the peer
    /// has chosen, and adds the one that it has.
    /// </remarks>
    /// <param name="path">The path.</param>
    /// <param name="kind">HTTP/1.1, HTTP/2 or WebSocket.</param>
    public static HttpRequestMessage Request(string path, string kind) => new(HttpMethod.Get, new Uri($"http://orders/{path}"))
    {
        VersionPolicy = kind == "HTTP/1.1" ? HttpVersionPolicy.RequestVersionExact : HttpVersionPolicy.RequestVersionOrLower,
    };

    /// <summary>Has the server say a word and hears it.</summary>
    public async Task HearAsync(byte word)
    {
        await _server.WriteAsync(word, Token);
        var buffer = new byte[1];
        Assert.Equal(1, await _read(buffer, Token).BoundedAsync());
        Assert.Equal(word, buffer[0]);
    }

    public ValueTask DisposeAsync()
    {
        _server.TryComplete();
        foreach (var one in _owned)
        {
            one.Dispose();
        }

        return ValueTask.CompletedTask;
    }
}
