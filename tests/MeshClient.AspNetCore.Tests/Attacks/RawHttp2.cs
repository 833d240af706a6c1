using System.Buffers.Binary;
using System.Net.Security;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// Sends frames of HTTP/2 (RFC 9113) as they are told, which a client would tidy up first. Headers are written without
/// compression (RFC 7541, 6.2.2, literal without indexing), and of answers only the status is read.
/// </summary>
internal sealed class RawHttp2(SslStream tls) : IAsyncDisposable
{
    public const byte EndStream = 1;
    public const byte EndHeaders = 4;
    // SETTINGS_HEADER_TABLE_SIZE 0: no answer may refer to one before it.
    private static readonly byte[] NoTable = [0, 1, 0, 0, 0, 0];
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte ResetStream = 3;
    private const byte Settings = 4;
    private const byte GoAway = 7;
    private const byte Continuation = 9;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<RawHttp2> StartAsync(AttackedService service, string caller = "web")
    {
        var http = new RawHttp2(await service.AuthenticateAsync(service.GoodCertificate(caller), protocol: SslApplicationProtocol.Http2));
        await http.WriteAsync([.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0, NoTable)]);
        return http;
    }

    /// <summary>The usual headers of a request, to be changed.</summary>
    public static List<(string Name, string Value)> Request(string path = "/public/a", string method = "GET", string authority = "orders") =>
        [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)];

    public Task SendHeadersAsync(int stream, IEnumerable<(string Name, string Value)> headers, byte flags = EndStream | EndHeaders) =>
        WriteAsync(Frame(Headers, flags, stream, Encode(headers)));

    public Task SendContinuationAsync(int stream, IEnumerable<(string Name, string Value)> headers, byte flags = 0) =>
        WriteAsync(Frame(Continuation, flags, stream, Encode(headers)));

    public Task SendDataAsync(int stream, string data, byte flags = EndStream) =>
        WriteAsync(Frame(Data, flags, stream, Encoding.Latin1.GetBytes(data)));

    public Task SendResetAsync(int stream) => WriteAsync(Frame(ResetStream, 0, stream, [0, 0, 0, 8]));

    /// <summary>What comes of a stream: its status, how it was reset, or how the whole connection was ended.</summary>
    /// <returns>Such as <c>200</c>, <c>RST 1</c>, <c>GOAWAY 1</c> (PROTOCOL_ERROR) or <c>end</c>.</returns>
    public async Task<string> HearAsync(int stream)
    {
        try
        {
            while (true)
            {
                var head = new byte[9];
                await tls.ReadExactlyAsync(head, Token).AsTask().Bounded();
                var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
                await tls.ReadExactlyAsync(payload, Token).AsTask().Bounded();
                var of = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) & int.MaxValue;
                switch (head[3])
                {
                    case Headers when of == stream:
                        return StatusOf(payload);
                    case ResetStream when of == stream:
                        return $"RST {BinaryPrimitives.ReadInt32BigEndian(payload)}";
                    case GoAway:
                        return $"GOAWAY {BinaryPrimitives.ReadInt32BigEndian(payload.AsSpan(4))}";
                }
            }
        }
        catch (IOException)
        {
            return "end";
        }
    }

    public ValueTask DisposeAsync() => tls.DisposeAsync();

    public async Task WriteAsync(byte[] bytes)
    {
        try
        {
            await tls.WriteAsync(bytes, Token).AsTask().Bounded();
        }
        catch (IOException)
        {
            // It has ended the connection; what it said is still to be heard.
        }
    }

    public static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        (frame[0], frame[1], frame[2], frame[3], frame[4]) =
            ((byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    public static byte[] Encode(IEnumerable<(string Name, string Value)> headers)
    {
        var block = new List<byte>();
        foreach (var (name, value) in headers)
        {
            block.Add(0);
            AddText(block, name);
            AddText(block, value);
        }

        return [.. block];
    }

    private static void AddText(List<byte> block, string text)
    {
        // An integer with a prefix of seven bits (RFC 7541, 5.1).
        const int prefix = 127;
        var bytes = Encoding.Latin1.GetBytes(text);
        if (bytes.Length < prefix)
        {
            block.Add((byte)bytes.Length);
        }
        else
        {
            block.Add(prefix);
            var rest = bytes.Length - prefix;
            for (; rest >= 128; rest >>= 7)
            {
                block.Add((byte)(0x80 | (rest & 0x7f)));
            }

            block.Add((byte)rest);
        }

        block.AddRange(bytes);
    }

    // The statuses that have a place in the static table (RFC 7541, appendix A), or its name and three digits.
    private static string StatusOf(ReadOnlySpan<byte> block)
    {
        while (block.Length > 0 && (block[0] & 0xe0) == 0x20)
        {
            block = block[1..];
        }

        return block[0] switch
        {
            0x88 => "200",
            0x89 => "204",
            0x8a => "206",
            0x8b => "304",
            0x8c => "400",
            0x8d => "404",
            0x8e => "500",
            _ => Encoding.ASCII.GetString(block.Slice(2, 3)),
        };
    }
}
