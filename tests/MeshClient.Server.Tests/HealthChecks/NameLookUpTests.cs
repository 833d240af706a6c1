using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.HealthChecks;

/// <summary>Names that nobody answers for hold up nobody but those who ask for them.</summary>
public sealed class NameLookUpTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = 30_000)]
    public async Task FindAsync_NameServerHangs_WaiterGoesAndThePoolKeepsItsThreads()
    {
        using var release = new ManualResetEventSlim();
        var asked = new ConcurrentQueue<bool>();
        var names = new NameLookUp(_ =>
        {
            asked.Enqueue(Thread.CurrentThread.IsThreadPoolThread);
            release.Wait(Token);
            return [IPAddress.Loopback];
        });
        for (var i = 0; i < 3; i++)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => names.FindAsync("hangs.test", limit.Token));
        }

        var waiting = names.FindAsync("HANGS.test", Token);
        release.Set();
        Assert.Equal([IPAddress.Loopback], await waiting);
        // Once for all who asked while it was under way, and not on a thread of the pool.
        Assert.Equal([false], asked);
        await names.FindAsync("hangs.test", Token);
        Assert.InRange(asked.Count, 1, 2);
    }

    [Fact(Timeout = 30_000)]
    public async Task FindAsync_ManyHang_OnlySoManyThreadsAreHeldAndTheOthersGetTheirTurn()
    {
        using var release = new ManualResetEventSlim();
        var (running, most) = (0, 0);
        var gate = new Lock();
        var names = new NameLookUp(_ =>
        {
            lock (gate)
            {
                most = Math.Max(most, ++running);
            }

            release.Wait(Token);
            Interlocked.Decrement(ref running);
            return [IPAddress.IPv6Loopback];
        });
        var all = Enumerable.Range(0, NameLookUp.MaxAtOnce + 10).Select(i => names.FindAsync($"name-{i}.test", Token)).ToArray();
        while (Volatile.Read(ref running) < NameLookUp.MaxAtOnce)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
        }

        Assert.DoesNotContain(all, one => one.IsCompleted);
        release.Set();
        Assert.All(await Task.WhenAll(all), found => Assert.Equal([IPAddress.IPv6Loopback], found));
        Assert.Equal(NameLookUp.MaxAtOnce, most);
    }

    [Fact]
    public async Task FindAsync_AnAddress_IsNotLookedUp()
    {
        var names = new NameLookUp(_ => throw new InvalidOperationException());
        Assert.Equal([IPAddress.Parse("10.1.2.3")], await names.FindAsync("10.1.2.3", Token));
        Assert.Equal([IPAddress.IPv6Loopback], await names.FindAsync("::1", Token));
    }

    [Fact]
    public async Task FindAsync_UnknownName_FailsAndIsAskedForAgainNextTime()
    {
        var answers = new Queue<IPAddress[]>([[], [IPAddress.Loopback]]);
        var names = new NameLookUp(_ => answers.Dequeue());
        var failure = await Assert.ThrowsAsync<SocketException>(() => names.FindAsync("new.test", Token));
        Assert.Equal(SocketError.HostNotFound, failure.SocketErrorCode);
        Assert.Equal([IPAddress.Loopback], await names.FindAsync("new.test", Token));
    }

    [Theory(Timeout = 30_000)]
    [InlineData(ProbeDefinition.HttpType, "http://hangs.test:1/", "context deadline exceeded")]
    [InlineData(ProbeDefinition.TcpType, "hangs.test:1", "i/o timeout")]
    [InlineData(ProbeDefinition.GrpcType, "hangs.test:1", "context deadline exceeded")]
    public async Task ProbeAsync_NameHangs_IsCriticalWhenItsTimeIsOver(string type, string target, string text)
    {
        using var release = new ManualResetEventSlim();
        using var prober = Prober.Create(
            new ProbeDefinition { Type = type, Target = target },
            new NameLookUp(_ =>
            {
                release.Wait(Token);
                return [IPAddress.Loopback];
            }));
        using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        var result = await prober.ProbeAsync(limit.Token);
        release.Set();
        Assert.Equal(CheckStatus.Critical, result.Status);
        Assert.Contains(text, result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ProbeAsync_OfAName_GoesToItsAddress()
    {
        await using var target = await ProbeTarget.StartAsync(http =>
        {
            Assert.Equal("target.test", http.Request.Host.Host);
            return Task.CompletedTask;
        });
        var port = HostPort.Parse(target.Address).Port;
        var names = new NameLookUp(name => name == "target.test" ? [IPAddress.Parse(HostPort.Parse(target.Address).Host)] : []);
        using var http = Prober.Create(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"http://target.test:{port}/" }, names);
        Assert.Equal(CheckStatus.Passing, (await http.ProbeAsync(Token)).Status);
        using var tcp = Prober.Create(new ProbeDefinition { Type = ProbeDefinition.TcpType, Target = $"target.test:{port}" }, names);
        Assert.Equal(CheckStatus.Passing, (await tcp.ProbeAsync(Token)).Status);
    }
}
