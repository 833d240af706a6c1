using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace MeshClient.Benchmarks.Registry;

/// <summary>
/// One keep-alive connection that sends ready-made requests and reads whole answers, with as little work as can be: generator
/// and registry share the processors.
/// </summary>
internal sealed class RawConnection : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _buffer;
    private int _start;
    private int _end;

    /// <param name="bufferSize">Small for connections that wait by the thousand.</param>
    public RawConnection(int bufferSize = 64 * 1024) => _buffer = new byte[bufferSize];

    /// <summary>The index of the latest answer; 0: it had none.</summary>
    public ulong Index { get; private set; }

    public Task ConnectAsync(int port) => _socket.ConnectAsync(IPAddress.Loopback, port);

    /// <summary>Makes a request ready.</summary>
    public static byte[] Request(string method, string path, string? body = null) => Encoding.UTF8.GetBytes(
        $"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + (body is null ? string.Empty : $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n") + $"\r\n{body}");

    /// <summary>Sends a request and reads its answer.</summary>
    /// <exception cref="InvalidOperationException">The answer is no success.</exception>
    public async Task<string?> CallAsync(ReadOnlyMemory<byte> request, bool keepBody = false)
    {
        await SendAsync(request);
        return await ReadAsync(keepBody);
    }

    public async Task SendAsync(ReadOnlyMemory<byte> request)
    {
        while (!request.IsEmpty)
        {
            request = request[await _socket.SendAsync(request)..];
        }
    }

    /// <summary>Reads one answer to its end.</summary>
    public async Task<string?> ReadAsync(bool keepBody = false)
    {
        var head = await ReadHeadAsync();
        var status = int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
        Index = ulong.TryParse(Header(head, "X-Consul-Index"), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : 0;
        var body = keepBody || status != 200 ? new MemoryStream() : null;
        if (Header(head, "Transfer-Encoding") is "chunked")
        {
            while (await ReadChunkAsync(body))
            {
            }
        }
        else
        {
            await TakeAsync(int.Parse(Header(head, "Content-Length") ?? "0", CultureInfo.InvariantCulture), body);
        }

        var text = body is null ? null : Encoding.UTF8.GetString(body.ToArray());
        return status == 200 ? text : throw new InvalidOperationException($"The registry answered {status}: {text}");
    }

    public void Dispose() => _socket.Dispose();

    private static string? Header(string head, string name)
    {
        var at = head.IndexOf($"\r\n{name}:", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
        {
            return null;
        }

        at += name.Length + 3;
        return head[at..head.IndexOf("\r\n", at, StringComparison.Ordinal)].Trim();
    }

    private async Task<string> ReadHeadAsync()
    {
        while (true)
        {
            var length = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8);
            if (length >= 0)
            {
                var head = Encoding.ASCII.GetString(_buffer, _start, length + 2);
                _start += length + 4;
                return head;
            }

            await FillAsync();
        }
    }

    private async Task<bool> ReadChunkAsync(MemoryStream? body)
    {
        int length;
        while ((length = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n"u8)) < 0)
        {
            await FillAsync();
        }

        var size = int.Parse(Encoding.ASCII.GetString(_buffer, _start, length), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        _start += length + 2;
        await TakeAsync(size, body);
        await TakeAsync(2, null);
        return size > 0;
    }

    private async Task TakeAsync(int count, MemoryStream? body)
    {
        while (count > 0)
        {
            if (_start == _end)
            {
                await FillAsync();
            }

            var taken = Math.Min(count, _end - _start);
            body?.Write(_buffer, _start, taken);
            _start += taken;
            count -= taken;
        }
    }

    private async Task FillAsync()
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_end == _buffer.Length)
        {
            if (_start == 0)
            {
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }

        var read = await _socket.ReceiveAsync(_buffer.AsMemory(_end));
        _end += read > 0 ? read : throw new InvalidOperationException("The registry closed the connection.");
    }
}
