using System.Buffers.Binary;
using System.Net.Security;

namespace MeshClient.Tests.Support;

/// <summary>A frame of HTTP/2 (RFC 9113, section 4.1).</summary>
internal sealed record Http2Frame(int Type, int Flags, int Stream, byte[] Payload)
{
    public bool IsHeaders => Type == Http2Peer.Headers;

    /// <summary>Whether the client has sent all of its request.</summary>
    public bool EndsStream => Type is Http2Peer.Data or Http2Peer.Headers && (Flags & 1) != 0;
}

/// <summary>A server that speaks HTTP/2 by hand, so that it can break off as a test says.</summary>
internal static class Http2Peer
{
    public const int Data = 0;
    public const int Headers = 1;
    public const int RstStream = 3;
    public const int Settings = 4;
    public const int GoAway = 7;

    private const int PrefaceLength = 24;
    private const int HeadLength = 9;

    /// <summary>Starts a mesh instance and lists it.</summary>
    /// <param name="env">The app that calls.</param>
    /// <param name="onFrame">What is done with each frame that is no setting. False: the connection is closed.</param>
    public static RawPeer Start(MeshTestEnvironment env, Func<Stream, Http2Frame, Task<bool>> onFrame) => Start(env, async (stream, token) =>
    {
        await stream.ReadExactlyAsync(new byte[PrefaceLength], token);
        await WriteAsync(stream, Settings, 0, 0, []);
        while (await ReadAsync(stream, token) is { } frame)
        {
            if (frame is { Type: Settings, Flags: 0 })
            {
                await WriteAsync(stream, Settings, 1, 0, []);
            }
            else if (frame.Type is Headers or Data && !await onFrame(stream, frame))
            {
                return;
            }
        }
    });

    /// <summary>Starts and lists one that takes no request on any connection, and says so before it has heard anything.</summary>
    /// <param name="env">The app that calls.</param>
    public static RawPeer StartLeaving(MeshTestEnvironment env) => Start(env, async (stream, token) =>
    {
        await WriteAsync(stream, Settings, 0, 0, []);
        await GoAwayAsync(stream, 0, 0);
        await stream.CopyToAsync(Stream.Null, token);
    });

    public static Task ResetAsync(Stream stream, int id, int code)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, code);
        return WriteAsync(stream, RstStream, 0, id, payload);
    }

    public static Task GoAwayAsync(Stream stream, int lastId, int code)
    {
        var payload = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(payload, lastId);
        BinaryPrimitives.WriteInt32BigEndian(payload.AsSpan(4), code);
        return WriteAsync(stream, GoAway, 0, 0, payload);
    }

    /// <summary>Answers 200 without a body: the first entry of HPACK's static table that says so.</summary>
    public static Task AnswerAsync(Stream stream, int id) => WriteAsync(stream, Headers, 0x5, id, [0x88]);

    private static RawPeer Start(MeshTestEnvironment env, Func<Stream, CancellationToken, Task> serve)
    {
        var peer = env.Own(RawPeer.Start(
            (stream, _, token) => serve(stream, token), PeerTls.For(env.Authority, "orders"), SslApplicationProtocol.Http2));
        env.List("orders", peer.Port);
        return peer;
    }

    private static async Task<Http2Frame?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var head = new byte[HeadLength];
        if (await stream.ReadAtLeastAsync(head, HeadLength, throwOnEndOfStream: false, cancellationToken) < HeadLength)
        {
            return null;
        }

        var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
        await stream.ReadExactlyAsync(payload, cancellationToken);
        return new Http2Frame(head[3], head[4], BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) & int.MaxValue, payload);
    }

    private static async Task WriteAsync(Stream stream, int type, int flags, int id, byte[] payload)
    {
        var frame = new byte[HeadLength + payload.Length];
        (frame[0], frame[1], frame[2], frame[3], frame[4]) =
            ((byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, (byte)type, (byte)flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), id);
        payload.CopyTo(frame, HeadLength);
        await stream.WriteAsync(frame);
        await stream.FlushAsync();
    }
}
