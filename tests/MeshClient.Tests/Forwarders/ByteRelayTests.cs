using System.Net.Sockets;
using MeshClient.Forwarders;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Forwarders;

/// <summary>What goes in at one end comes out at the other, in order and once, whatever the moments at which the ends end.</summary>
public sealed class ByteRelayTests
{
    private static readonly int Histories = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 2000 : 60;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit * 5)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task RunAsync_AnyHistory_LosesAndDoublesNothingAndLeavesNothingOpen(int seed)
    {
        for (var i = 0; i < Histories; i += 6)
        {
            await Task.WhenAll(Enumerable.Range(i, 6).Select(number => new History((ulong)((seed * 1_000_003) + number)).RunAsync()));
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task RunAsync_ReceiverDoesNotRead_SenderIsHeldUpInsteadOfBuffered()
    {
        using var left = await SocketPair.ConnectAsync();
        using var right = await SocketPair.ConnectAsync();
        var relaying = ByteRelay.RunAsync(new SocketEnd(left.Far), new SocketEnd(right.Far), null, TimeProvider.System, Token);
        var sent = 0L;
        var chunk = new byte[256 * 1024];
        using var full = CancellationTokenSource.CreateLinkedTokenSource(Token);
        full.CancelAfter(TimeSpan.FromSeconds(1));
        try
        {
            while (sent < 1L << 30)
            {
                sent += await left.Near.SendAsync(chunk, full.Token);
            }
        }
        catch (OperationCanceledException) when (!Token.IsCancellationRequested)
        {
            // Held up.
        }

        Assert.InRange(sent, 1, 64 << 20);
        left.Near.Shutdown(SocketShutdown.Send);
        var received = 0L;
        while (await right.Near.ReceiveAsync(chunk, Token) is > 0 and var read)
        {
            received += read;
        }

        Assert.InRange(received, sent, sent + chunk.Length);
        right.Near.Shutdown(SocketShutdown.Send);
        Assert.Equal(RelayEnd.Orderly, await relaying.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task RunAsync_OneSideIsReset_TheOtherSeesAResetToo()
    {
        using var left = await SocketPair.ConnectAsync();
        using var right = await SocketPair.ConnectAsync();
        var relaying = ByteRelay.RunAsync(new SocketEnd(left.Far), new SocketEnd(right.Far), null, TimeProvider.System, Token);

        SocketPair.Reset(left.Near);

        var failure = await Assert.ThrowsAsync<SocketException>(() => right.Near.ReceiveAsync(new byte[1], Token).AsTask().BoundedAsync());
        Assert.Equal(SocketError.ConnectionReset, failure.SocketErrorCode);
        Assert.Equal(RelayEnd.Broken, await relaying.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task RunAsync_NothingPassesForTooLong_IsBrokenOffAndNotBefore()
    {
        var time = new FakeTimeProvider();
        using var left = await SocketPair.ConnectAsync();
        using var right = await SocketPair.ConnectAsync();
        var relaying = ByteRelay.RunAsync(new SocketEnd(left.Far), new SocketEnd(right.Far), TimeSpan.FromMinutes(1), time, Token);
        var one = new byte[1];
        for (var i = 0; i < 5; i++)
        {
            time.Advance(TimeSpan.FromSeconds(50));
            await right.Near.SendAsync(one, Token);
            Assert.Equal(1, await left.Near.ReceiveAsync(one, Token).AsTask().BoundedAsync());
            // The relay takes note when it has written.
            await Eventually.HoldsAsync(() => !relaying.IsCompleted);
        }

        time.Advance(TimeSpan.FromSeconds(61));
        time.Advance(TimeSpan.FromSeconds(61));

        Assert.Equal(RelayEnd.Idle, await relaying.BoundedAsync());
        await Assert.ThrowsAsync<SocketException>(() => left.Near.ReceiveAsync(one, Token).AsTask().BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task RunAsync_ToldToStop_BreaksBothOff()
    {
        using var stop = new CancellationTokenSource();
        using var left = await SocketPair.ConnectAsync();
        using var right = await SocketPair.ConnectAsync();
        var relaying = ByteRelay.RunAsync(new SocketEnd(left.Far), new SocketEnd(right.Far), null, TimeProvider.System, stop.Token);

        await stop.CancelAsync();

        Assert.Equal(RelayEnd.Stopped, await relaying.BoundedAsync());
        await Assert.ThrowsAsync<SocketException>(() => left.Near.ReceiveAsync(new byte[1], Token).AsTask().BoundedAsync());
    }

    /// <summary>Two programs with a relay between them, each sending and ending by chance.</summary>
    private sealed class History(ulong seed)
    {
        private readonly MeshRandom _random = new(seed);

        public async Task RunAsync()
        {
            using var left = await SocketPair.ConnectAsync();
            using var right = await SocketPair.ConnectAsync();
            var relaying = ByteRelay.RunAsync(new SocketEnd(left.Far), new SocketEnd(right.Far), null, TimeProvider.System, Token);
            // One in three histories has a reset in it, from either side, at any byte.
            var resets = _random.Next(3) == 0 ? _random.Next(2) : -1;
            var forth = new Stream(left.Near, right.Near, _random.NextBits(), resets == 0);
            var back = new Stream(right.Near, left.Near, _random.NextBits(), resets == 1);
            await Task.WhenAll(forth.SendAsync(), forth.ReceiveAsync(), back.SendAsync(), back.ReceiveAsync());

            var end = await relaying.BoundedAsync();
            Assert.Equal(resets >= 0 ? RelayEnd.Broken : RelayEnd.Orderly, end);
            Assert.True(left.Far.SafeHandle.IsClosed && right.Far.SafeHandle.IsClosed, $"Seed {seed}: a socket was left open.");
            foreach (var stream in new[] { forth, back })
            {
                Assert.True(stream.IsPrefix, $"Seed {seed}: what came out is not what went in.");
                Assert.True(resets >= 0 || stream.Received == stream.Sent, $"Seed {seed}: {stream.Received} of {stream.Sent} bytes came out.");
            }
        }
    }

    private sealed class Stream(Socket from, Socket to, ulong seed, bool endsInReset)
    {
        public long Sent { get; private set; }

        public long Received { get; private set; }

        public bool IsPrefix { get; private set; } = true;

        public async Task SendAsync()
        {
            var sizes = new MeshRandom(~seed);
            var bytes = new MeshRandom(seed);
            try
            {
                for (var left = sizes.Next(10) == 0 ? 0 : sizes.Next(300_000); left > 0;)
                {
                    var chunk = new byte[Math.Min(left, 1 + sizes.Next(sizes.Next(2) == 0 ? 100 : 100_000))];
                    for (var i = 0; i < chunk.Length; i++)
                    {
                        chunk[i] = (byte)bytes.NextBits();
                    }

                    for (var sent = 0; sent < chunk.Length;)
                    {
                        sent += await from.SendAsync(chunk.AsMemory(sent), Token);
                    }

                    Sent += chunk.Length;
                    left -= chunk.Length;
                }

                if (endsInReset)
                {
                    SocketPair.Reset(from);
                }
                else
                {
                    from.Shutdown(SocketShutdown.Send);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The other direction has broken it.
                Sent = long.MaxValue;
            }
        }

        public async Task ReceiveAsync()
        {
            var bytes = new MeshRandom(seed);
            var sizes = new MeshRandom(seed / 2);
            try
            {
                var buffer = new byte[100_000];
                while (await to.ReceiveAsync(buffer.AsMemory(0, 1 + sizes.Next(buffer.Length)), Token) is > 0 and var read)
                {
                    for (var i = 0; i < read; i++)
                    {
                        IsPrefix &= buffer[i] == (byte)bytes.NextBits();
                    }

                    Received += read;
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // A reset was carried through.
            }
        }
    }
}
