using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Security.Cryptography;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using MeshClient.TestSupport;
using MeshClient.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>Answers over one HTTP/2 connection that are gathered: Kestrel, mutual TLS, many callers, some of whom behave badly.</summary>
public sealed class AnswerCoalescingTests : IDisposable
{
    private const int Callers = 64;
    private const string HashHeader = "x-hash";
    // More than a caller takes unread, so that the answer waits for whoever reads it.
    private const int Long = 200_000;
    private static readonly int[] Sizes = [0, 1, 20, 300, 1000, 1024, 1025, 5000, 16_384, 16_385, 60_000, 100_000];

    private readonly InMemoryControlPlane _plane = new();
    private readonly ConcurrentDictionary<int, byte> _sent = new();
    private readonly ConcurrentDictionary<int, byte> _received = new();
    private int _aborted;

    public AnswerCoalescingTests() => _plane.SetDefaultAction(IntentionAction.Allow);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ServeAsync_ConnectionIsToBeClosed_HoldsNothing(bool isClosing)
    {
        using var closing = new CancellationTokenSource();
        var sent = new MemoryStream();
        await using var connection = StageConnection.Create(PipeReader.Create(Stream.Null), PipeWriter.Create(sent), "h2", closing.Token);
        var time = new FakeTimeProvider();
        var held = 0L;
        // Nobody looks whether what is held has waited long enough.
        var coalescing = new AnswerCoalescing(new WaitingWork(time, () => 1), time, _ => { });
        await StageConnection.ServeAsync(connection, coalescing.Use, async served =>
        {
            for (var i = 0; i < WriteCoalescer.RecentWrites; i++)
            {
                await served.Transport.Output.WriteAsync(new byte[1], Token);
            }

            if (isClosing)
            {
                await closing.CancelAsync();
            }

            await served.Transport.Output.WriteAsync(new byte[10], Token);
            held = WriteCoalescer.RecentWrites + 10 - sent.Length;
        });
        Assert.Equal(isClosing ? 0 : 10, held);
        Assert.Equal(WriteCoalescer.RecentWrites + 10, sent.Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answer_SomeReadSlowlyAndSomeGiveUp_ArrivesWhole(bool isClockStill)
    {
        const int Calls = 12;
        await using var host = await StartAsync(isClockStill);
        using var client = Caller(host);
        await CallAsync(client, 0);
        var left = Callers;
        await Task.WhenAll(Enumerable.Range(1, Callers).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; i < Calls; i++)
            {
                var number = (caller * 1000) + i;
                await ((caller % 8) switch
                {
                    0 => ReadSlowlyAsync(client, number, () => Volatile.Read(ref left) <= Callers / 8),
                    1 => GiveUpAsync(client, number),
                    _ => CallAsync(client, number),
                });
            }

            Interlocked.Decrement(ref left);
        }))).Bounded();
        Assert.Equal(1 + (Callers / 8 * 7 * Calls), _received.Count);
        // The word of it has arrived for each, on the connection that carried the others.
        await Eventually.HoldsAsync(() => Volatile.Read(ref _aborted) == Callers / 8 * Calls);
    }

    [Fact]
    public async Task Answer_ManyCallers_ShareWrites()
    {
        const int Calls = 30;
        await using var host = await StartAsync(isClockStill: true);
        await using var relay = new TlsRelay(host.MeshPort);
        using var client = Caller(host, relay.Port);
        await CallAsync(client, 0);
        var records = relay.RecordsToCaller;
        await Task.WhenAll(Enumerable.Range(1, Callers).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < Calls; i++)
            {
                Assert.Equal("", await client.GetStringAsync("/?number=1&size=0", Token));
            }
        }))).Bounded();
        TestContext.Current.SendDiagnosticMessage($"{Callers * Calls} answers in {relay.RecordsToCaller - records} records");
        Assert.InRange(relay.RecordsToCaller - records, 1, (Callers * Calls) - 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stop_UnderLoad_LosesNoAnswerThatWasSent(bool isClockStill)
    {
        await using var host = await StartAsync(isClockStill);
        using var client = Caller(host);
        await CallAsync(client, 0);
        var isStopping = false;
        var calling = Task.WhenAll(Enumerable.Range(1, Callers).Select(caller => Task.Run(async () =>
        {
            for (var number = caller * 100_000; ; number++)
            {
                try
                {
                    await CallAsync(client, number);
                }
                catch (HttpRequestException) when (Volatile.Read(ref isStopping))
                {
                    return;
                }
            }
        })));
        await Eventually.HoldsAsync(() => _received.Count > 5 * Callers);
        Volatile.Write(ref isStopping, true);
        await host.StopAsync().Bounded();
        await calling.Bounded();
        Assert.Empty(_sent.Keys.Except(_received.Keys));
    }

    public void Dispose() => _plane.Dispose();

    private static byte[] Bytes(int number, int size)
    {
        var bytes = new byte[size];
        new Random(number).NextBytes(bytes);
        return bytes;
    }

    private static HttpClient Caller(InboundTestHost host, int? port = null)
    {
        var client = host.CallerFrom("web");
        client.BaseAddress = new Uri($"https://127.0.0.1:{port ?? host.MeshPort}");
        client.DefaultRequestVersion = HttpVersion.Version20;
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return client;
    }

    private static Task<HttpResponseMessage> AskAsync(HttpClient client, int number, int size, string and = "") =>
        client.GetAsync($"/?number={number}&size={size}{and}", HttpCompletionOption.ResponseHeadersRead, Token);

    private async Task CallAsync(HttpClient client, int number)
    {
        var size = Sizes[new Random(number).Next(Sizes.Length)];
        using var response = await AskAsync(client, number, size);
        AssertWhole(response, number, size, await response.Content.ReadAsByteArrayAsync(Token));
    }

    private async Task ReadSlowlyAsync(HttpClient client, int number, Func<bool> othersAreDone)
    {
        using var response = await AskAsync(client, number, Long);
        await using var stream = await response.Content.ReadAsStreamAsync(Token);
        var bytes = new byte[Long];
        var others = _received.Count + (Callers / 2);
        await stream.ReadExactlyAsync(bytes.AsMemory(0, 1000), Token);
        await Eventually.HoldsAsync(() => _received.Count >= others || othersAreDone());
        await stream.ReadExactlyAsync(bytes.AsMemory(1000), Token);
        Assert.Equal(-1, stream.ReadByte());
        AssertWhole(response, number, Long, bytes);
    }

    private static async Task GiveUpAsync(HttpClient client, int number)
    {
        using var response = await AskAsync(client, number, Long, "&stay=true");
        await using var stream = await response.Content.ReadAsStreamAsync(Token);
        var bytes = new byte[1000];
        await stream.ReadExactlyAsync(bytes, Token);
        Assert.Equal(Bytes(number, Long)[..1000], bytes);
    }

    private void AssertWhole(HttpResponseMessage response, int number, int size, byte[] bytes)
    {
        Assert.Equal((HttpStatusCode.OK, size), (response.StatusCode, bytes.Length));
        Assert.Equal(Convert.ToHexString(SHA256.HashData(bytes)), Assert.Single(response.Headers.GetValues(HashHeader)));
        // Of its own call, not only a whole one.
        Assert.Equal(Bytes(number, size), bytes);
        _received.TryAdd(number, 0);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var number = int.Parse(query["number"]!);
        var bytes = Bytes(number, int.Parse(query["size"]!));
        context.Response.OnCompleted(() =>
        {
            if (!context.RequestAborted.IsCancellationRequested)
            {
                _sent.TryAdd(number, 0);
            }

            return Task.CompletedTask;
        });
        context.Response.Headers[HashHeader] = Convert.ToHexString(SHA256.HashData(bytes));
        try
        {
            // In pieces, some of them sent by themselves.
            var chance = new Random(number);
            for (var at = 0; at < bytes.Length;)
            {
                var length = Math.Min(bytes.Length - at, chance.Next(1, 30_000));
                await context.Response.Body.WriteAsync(bytes.AsMemory(at, length), context.RequestAborted);
                at += length;
            }

            if (query.ContainsKey("stay"))
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            Interlocked.Increment(ref _aborted);
        }
    }

    private Task<InboundTestHost> StartAsync(bool isClockStill) => InboundTestHost.StartAsync(
        app => app.MapGet("/", AnswerAsync),
        build: builder =>
        {
            if (isClockStill)
            {
                // What is written always comes closely after what was, and work that waited once waited just now.
                builder.Services.AddSingleton<TimeProvider>(new StillClock());
            }
        },
        controlPlane: _plane);
}
