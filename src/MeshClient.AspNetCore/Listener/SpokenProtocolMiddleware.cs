using System.Buffers;
using MeshClient.AspNetCore.Connections;
using MeshClient.Core;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// Finds out what a peer speaks that agreed on HTTP/2. A proxy that hands on bytes, such as Consul's own, always agrees on it,
/// whatever the program behind it speaks; so its first bytes decide, and the server is told. They are left where they are.
/// </summary>
/// <remarks>
/// HTTP/2 begins with the preface <c>PRI * HTTP/2.0</c>, sent without waiting for us, and no request of HTTP/1.x may have that
/// method (RFC 9113, sections 3.4 and 11.6). A peer that says nothing is waited for as long as the server waits for a
/// request. On a connection that is asked to end, by a drain or because the server stops, it has a second: what it is about to send is
/// a request, and if it turns out to speak HTTP/2 it can be told that no more is taken (<see cref="LingeringClose"/>).
/// </remarks>
internal sealed class SpokenProtocolMiddleware(ConnectionDelegate next, TimeSpan limit, TimeProvider time)
{
    private static ReadOnlySpan<byte> Preface => "PRI"u8;

    public async Task OnConnectionAsync(ConnectionContext connection)
    {
        if (NegotiatedProtocol.IsHttp2(connection))
        {
            switch (await SpeaksHttp2Async(connection).ConfigureAwait(false))
            {
                case null:
                    connection.Abort(new ConnectionAbortedException("Nothing came over the connection in time."));
                    return;
                case false:
                    connection.Features.Set<ITlsApplicationProtocolFeature>(Http11.Instance);
                    break;
                default:
                    break;
            }
        }

        await next(connection).ConfigureAwait(false);
    }

    // Null: it said nothing, and is gone or has been waited for long enough.
    private async ValueTask<bool?> SpeaksHttp2Async(ConnectionContext connection)
    {
        var closing = ClosingRequest.Of(connection);
        // The server's word for no limit is longer than a timer takes.
        using var timer = new CancellationTokenSource(limit < TimerLimits.Longest ? limit : Timeout.InfiniteTimeSpan, time);
        await using var hurry = closing.UnsafeRegister(
            static timer => ((CancellationTokenSource)timer!).CancelAfter(OpenedConnection.Farewell), timer).ConfigureAwait(false);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, connection.ConnectionClosed);
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var result = await input.ReadAsync(end.Token).ConfigureAwait(false);
                var buffer = result.Buffer;
                var isPreface = BeginsAsPreface(buffer);
                if (!isPreface || buffer.Length >= Preface.Length || result.IsCompleted)
                {
                    input.AdvanceTo(buffer.Start);
                    return isPreface;
                }

                input.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            return null;
        }
    }

    private static bool BeginsAsPreface(in ReadOnlySequence<byte> bytes)
    {
        Span<byte> beginning = stackalloc byte[Preface.Length];
        var length = (int)Math.Min(bytes.Length, Preface.Length);
        bytes.Slice(0, length).CopyTo(beginning);
        return Preface.StartsWith(beginning[..length]);
    }

    private sealed class Http11 : ITlsApplicationProtocolFeature
    {
        public static readonly Http11 Instance = new();

        public ReadOnlyMemory<byte> ApplicationProtocol { get; } = "http/1.1"u8.ToArray();
    }
}
