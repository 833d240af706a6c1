using System.Net.WebSockets;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace MeshClient.TestSupport;

/// <summary>An answer, or a WebSocket, that goes on for as long as a test wants.</summary>
internal static class WordStream
{
    /// <summary>Says what the channel says, each word at once.</summary>
    public static async Task ServeAsync(HttpContext context, ChannelReader<byte> words)
    {
        using var socket = context.WebSockets.IsWebSocketRequest ? await context.WebSockets.AcceptWebSocketAsync() : null;
        if (socket is null)
        {
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }

        await foreach (var word in words.ReadAllAsync(context.RequestAborted))
        {
            if (socket is not null)
            {
                await socket.SendAsync(new[] { word }, WebSocketMessageType.Binary, true, context.RequestAborted);
            }
            else
            {
                await context.Response.Body.WriteAsync(new[] { word }, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
    }
}
