using MeshClient.Outbound;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Attacks;

/// <summary>Servers that keep a handshake from its end. Runs alone, because it counts the threads of the process.</summary>
[CollectionDefinition(nameof(SlowServerTests), DisableParallelization = true)]
[Collection(nameof(SlowServerTests))]
public sealed class SlowServerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_ServerThatNeverEndsTheHandshake_IsLeftInTimeAndHoldsNoThread(bool drips)
    {
        const int calls = 100;
        await using var env = ServerAttackTests.Start(options =>
        {
            options.Defaults.ConnectTimeout = TimeSpan.FromSeconds(2);
            options.Defaults.MaxRetries = 0;
        });
        var open = 0;
        var peer = env.Own(ServerAttackTests.Listed(env, RawPeer.Start(async (stream, _, cancellation) =>
        {
            Interlocked.Increment(ref open);
            try
            {
                var reading = stream.CopyToAsync(Stream.Null, cancellation);
                while (drips && !reading.IsCompleted)
                {
                    // The head of a record, byte by byte, and then ever more of nothing.
                    await stream.WriteAsync(new byte[] { 0 }, cancellation);
                    await Task.WhenAny(reading, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellation));
                }

                await reading;
            }
            finally
            {
                Interlocked.Decrement(ref open);
            }
        }, end: PeerEnd.Orderly)));
        await env.StartAsync("stock", context => context.Response.WriteAsync("stock"));
        Assert.Equal("stock", await env.Client().GetStringAsync(new Uri("https://stock/"), Token));
        var threads = ThreadPool.ThreadCount;

        var failing = Enumerable.Range(0, calls).Select(_ => Assert.ThrowsAsync<MeshCallException>(() => ServerAttackTests.CallAsync(env))).ToList();
        await Eventually.HoldsAsync(() => peer.Connections > 0);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("stock", await env.Client().GetStringAsync(new Uri("https://stock/"), Token).BoundedAsync());
        }

        Assert.True(ThreadPool.ThreadCount - threads < 40, $"{ThreadPool.ThreadCount} threads, {threads} before");
        await Task.WhenAll(failing).BoundedAsync();
        await Eventually.HoldsAsync(() => Volatile.Read(ref open) == 0);
        Assert.Equal(0, env.State("orders").InFlight);
    }
}
