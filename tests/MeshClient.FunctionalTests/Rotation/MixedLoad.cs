using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using MeshClient.Dialing;
using MeshClient.Outbound;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.FunctionalTests.Rotation;

/// <summary>
/// Every kind of call at once, each by callers of its own, until told to stop: short ones over HTTP/1.1 and HTTP/2 that must not
/// be sent twice, long answers, WebSockets, and raw connections. Each is checked to have brought all it should.
/// </summary>
internal sealed class MixedLoad : IAsyncDisposable
{
    private const int CallersPerKind = 2;
    private const int MaxReported = 10;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);
    private static readonly Uri Base = new($"https://{RotatingMesh.Orders}");
    private static readonly byte[] Ping = "0123456789abcdef"u8.ToArray();

    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly SortedDictionary<string, int> _done = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly HttpClient _http;
    private readonly IMeshDialer _dialer;
    private readonly int _lines;
    private readonly Task _calling;
    private int _failed;

    /// <param name="services">The caller's.</param>
    /// <param name="length">How long streams, WebSockets and raw connections last.</param>
    public MixedLoad(IServiceProvider services, TimeSpan length)
    {
        // The runtime's factory would hold on to the whole container for two minutes after its end (HttpClientFactoryOptions.HandlerLifetime).
        _http = new HttpClient(services.GetRequiredService<MeshHandlerFactory>().Create());
        _dialer = services.GetRequiredService<IMeshDialer>();
        _lines = (int)(length / RotatingMesh.Beat);
        (string Kind, Func<Task> Call)[] kinds =
        [
            ("HTTP/1.1", () => PostAsync(HttpVersion.Version11)),
            ("HTTP/2", () => PostAsync(HttpVersion.Version20)),
            ("stream over HTTP/1.1", () => StreamAsync(HttpVersion.Version11)),
            ("stream over HTTP/2", () => StreamAsync(HttpVersion.Version20)),
            ("WebSocket", TalkAsync),
            ("raw connection", DialAsync),
        ];
        _calling = Task.WhenAll(kinds.SelectMany(kind =>
            Enumerable.Range(0, CallersPerKind).Select(_ => Task.Run(() => RepeatAsync(kind.Kind, kind.Call)))));
    }

    /// <summary>How many of each kind have succeeded.</summary>
    public IReadOnlyDictionary<string, int> Done
    {
        get
        {
            lock (_lock)
            {
                return new SortedDictionary<string, int>(_done, StringComparer.Ordinal);
            }
        }
    }

    /// <summary>How many have failed.</summary>
    public int Failed => Volatile.Read(ref _failed);

    /// <summary>The first of the failures.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    /// <summary>Lets all that is under way come to its end, and begins no more.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _calling;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _http.Dispose();
        _stop.Dispose();
    }

    private async Task RepeatAsync(string kind, Func<Task> call)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await call();
                lock (_lock)
                {
                    _done[kind] = _done.GetValueOrDefault(kind) + 1;
                }
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                if (Interlocked.Increment(ref _failed) <= MaxReported)
                {
                    _failures.Enqueue($"{kind}: {e}");
                }
            }

            await Task.WhenAny(Task.Delay(Pause, TimeProvider.System, _stop.Token));
        }
    }

    private HttpRequestMessage Request(HttpMethod method, string path, Version version) => new(method, new Uri(Base, path))
    {
        Version = version,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private async Task PostAsync(Version version)
    {
        using var request = Request(HttpMethod.Post, "/echo", version);
        request.Content = new ByteArrayContent(Ping);
        using var response = await _http.SendAsync(request);
        response.EnsureSuccessStatusCode();
        Check(await response.Content.ReadAsByteArrayAsync());
    }

    private async Task StreamAsync(Version version)
    {
        using var request = Request(HttpMethod.Get, $"/stream/{_lines.ToString(CultureInfo.InvariantCulture)}", version);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (var i = 0; i < _lines; i++)
        {
            var line = await reader.ReadLineAsync();
            if (line != i.ToString(CultureInfo.InvariantCulture))
            {
                throw new InvalidDataException($"Line {i} of {_lines} is '{line}'.");
            }
        }

        if (await reader.ReadLineAsync() is { } more)
        {
            throw new InvalidDataException($"After all {_lines} lines came '{more}'.");
        }
    }

    private async Task TalkAsync()
    {
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"wss://{RotatingMesh.Orders}/socket"), _http, CancellationToken.None);
        var buffer = new byte[64];
        for (var i = 0; i < _lines; i++)
        {
            await socket.SendAsync(Ping, WebSocketMessageType.Binary, true, CancellationToken.None);
            var answer = await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
            Check(buffer.AsSpan(0, answer.Count));
            await Task.Delay(RotatingMesh.Beat, TimeProvider.System);
        }

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
    }

    private async Task DialAsync()
    {
        await using var connection = await _dialer.ConnectAsync(RotatingMesh.RawOrders);
        var buffer = new byte[Ping.Length];
        for (var i = 0; i < _lines; i++)
        {
            await connection.WriteAsync(Ping);
            await connection.ReadExactlyAsync(buffer);
            Check(buffer);
            await Task.Delay(RotatingMesh.Beat, TimeProvider.System);
        }

        await connection.CloseWriteAsync();
        if (await connection.ReadAsync(buffer) != 0)
        {
            throw new InvalidDataException("More came back than was sent.");
        }
    }

    private static void Check(ReadOnlySpan<byte> answer)
    {
        if (!answer.SequenceEqual(Ping))
        {
            throw new InvalidDataException($"Came back as '{Encoding.ASCII.GetString(answer)}'.");
        }
    }
}
