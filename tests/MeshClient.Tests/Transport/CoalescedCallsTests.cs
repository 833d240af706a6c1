using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Transport;

/// <summary>Calls over one HTTP/2 connection whose small writes are gathered: Kestrel, mutual TLS, many callers.</summary>
public sealed class CoalescedCallsTests
{
    private const int Callers = 64;
    private const string HashHeader = "x-hash";
    private static readonly int[] Sizes = [0, 1, 20, 300, 1000, 1024, 1025, 5000, 16_384, 16_385, 60_000, 100_000];

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _hanging = new();
    private int _aborted;
    private int _writes;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_ManyCallersAndBodiesOfAnySize_ArriveWhole(bool isClockStill)
    {
        const int Calls = 12;
        await using var env = Environment(isClockStill ? new StillClock() : TimeProvider.System);
        var (peer, _) = await StartAsync(env);
        await Task.WhenAll(Enumerable.Range(1, Callers).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; i < Calls; i++)
            {
                await EchoAsync(env, (caller * 1000) + i);
            }
        })));
        Assert.Equal((1 + (Callers * Calls), 1), (peer.Requests, peer.Connections));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ManyCallers_ShareWrites()
    {
        const int Calls = 30;
        const int Rounds = 20;
        // As it stands still, what is written always comes closely after what was.
        await using var env = Environment(new StillClock());
        var (peer, relay) = await StartAsync(env);
        var (isShared, rounds) = (false, 0);
        // The handler gathers as well: where the callers move in step, it leaves nothing to share.
        for (; !isShared && rounds < Rounds; rounds++)
        {
            var (writes, records) = (Volatile.Read(ref _writes), relay.RecordsToServer);
            await Task.WhenAll(Enumerable.Range(1, Callers).Select(_ => Task.Run(async () =>
            {
                for (var i = 0; i < Calls; i++)
                {
                    Assert.Equal("", await env.Client().GetStringAsync("http://orders/echo?seed=0&size=0", Token));
                }
            }))).BoundedAsync();
            (writes, records) = (Volatile.Read(ref _writes) - writes, relay.RecordsToServer - records);
            TestContext.Current.SendDiagnosticMessage($"{writes} writes in {records} records");
            isShared = records < writes;
        }

        Assert.True(isShared);
        Assert.Equal(1 + (rounds * Callers * Calls), peer.Requests);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_OthersAreCancelled_LosesNothing(bool isClockStill)
    {
        const int Calls = 8;
        await using var env = Environment(isClockStill ? new StillClock() : TimeProvider.System);
        var (peer, _) = await StartAsync(env);
        await Task.WhenAll(Enumerable.Range(1, Callers).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; i < Calls; i++)
            {
                var number = (caller * 1000) + i;
                await (caller % 4 == 0 ? CancelAsync(env, number) : EchoAsync(env, number));
            }
        })));
        // The word of it has arrived for each, on the connection that carries the others.
        await Eventually.HoldsAsync(() => Volatile.Read(ref _aborted) == Callers / 4 * Calls);
        Assert.Equal((1 + (Callers * Calls), 1), (peer.Requests, peer.Connections));
    }

    private static byte[] Bytes(int seed, int size)
    {
        var bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static async Task EchoAsync(MeshTestEnvironment env, int number)
    {
        var chance = new Random(number);
        var sent = Bytes(number, Sizes[chance.Next(Sizes.Length)]);
        var size = Sizes[chance.Next(Sizes.Length)];
        using var content = new ByteArrayContent(sent);
        using var response = await env.Client().PostAsync($"http://orders/echo?seed={number}&size={size}", content, Token);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (response.StatusCode, response.Version));
        Assert.Equal(Convert.ToHexString(SHA256.HashData(sent)), Assert.Single(response.Headers.GetValues(HashHeader)));
        Assert.Equal(Bytes(number, size), await response.Content.ReadAsByteArrayAsync(Token));
    }

    private async Task CancelAsync(MeshTestEnvironment env, int number)
    {
        var arrived = _hanging.GetOrAdd($"{number}", _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        using var content = new ByteArrayContent(Bytes(number, Sizes[number % Sizes.Length]));
        var calling = env.Client().PostAsync($"http://orders/hang?id={number}", content, cancel.Token);
        await arrived.Task.BoundedAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calling);
    }

    private async Task ServeAsync(HttpContext context)
    {
        var query = context.Request.Query;
        if (context.Request.Path == "/hang")
        {
            _hanging[query["id"]!].SetResult();
            await RawPeer.StayAsync(context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            Interlocked.Increment(ref _aborted);
            return;
        }

        var hash = await SHA256.HashDataAsync(context.Request.Body, context.RequestAborted);
        context.Response.Headers[HashHeader] = Convert.ToHexString(hash);
        await context.Response.Body.WriteAsync(Bytes(int.Parse(query["seed"]!), int.Parse(query["size"]!)), context.RequestAborted);
    }

    private async Task<(HttpPeer Peer, TlsRelay Relay)> StartAsync(MeshTestEnvironment env)
    {
        var peer = await HttpPeer.StartAsync(ServeAsync, PeerTls.For(env.Authority, "orders"));
        var relay = env.Own(new TlsRelay(peer.Port));
        env.Own(peer);
        env.List("orders", relay.Port);
        // So that all who come now find a connection.
        await EchoAsync(env, 0);
        return (peer, relay);
    }

    private MeshTestEnvironment Environment(TimeProvider time) => new(services: services => services.AddTransports(
        connector =>
        {
            var inFlight = connector.InFlight!;
            // Asked at each write that comes closely after others.
            connector.InFlight = () =>
            {
                Interlocked.Increment(ref _writes);
                return inFlight();
            };
            return new SocketsHttpHandler { ConnectCallback = connector.ConnectAsync, UseProxy = false, EnableMultipleHttp2Connections = true };
        },
        time));
}
