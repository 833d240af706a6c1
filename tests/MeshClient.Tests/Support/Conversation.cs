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

        var response = await env.Client()
            .GetAsync("http://orders/stream", HttpCompletionOption.ResponseHeadersRead, Token).BoundedAsync();
        Assert.Equal(kind == "HTTP/2" ? HttpVersion.Version20 : HttpVersion.Version11, response.Version);
        var body = await response.Content.ReadAsStreamAsync(Token);
        return new Conversation(server, (buffer, token) => body.ReadAsync(buffer, token).AsTask(), body, response);
    }

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
