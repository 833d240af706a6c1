using System.Net.Sockets;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>What attacks cost that are not served: no thread while they last, nothing when they are over. Runs alone, because it counts what is the process's.</summary>
[CollectionDefinition(nameof(HeldResourcesTests), DisableParallelization = true)]
[Collection(nameof(HeldResourcesTests))]
public sealed class HeldResourcesTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Connect_ThreeHundredThatSayNothingOrByteByByte_HoldNoThreadAndAreEndedInTime()
    {
        const int count = 300;
        await using var service = await AttackedService.StartAsync(inbound: options => options.HandshakeTimeout = TimeSpan.FromSeconds(4));
        await service.AssertCallIsServedAsync();
        var threads = ThreadPool.ThreadCount;
        var slow = new List<NetworkStream>();
        for (var i = 0; i < count; i++)
        {
            slow.Add(await service.ConnectAsync());
        }

        await Eventually.HoldsAsync(() => service.Connections >= count);
        // A third says nothing, the others a byte of a hello now and then, which must not put their end off.
        byte[] hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, .. new byte[400]];
        for (var at = 0; at < 10; at++)
        {
            foreach (var stream in slow.Where((_, i) => i % 3 != 0))
            {
                try
                {
                    await stream.WriteAsync(hello.AsMemory(at, 1), Token);
                }
                catch (IOException)
                {
                    // Its time was over already: the calls take long on a busy machine.
                }
            }

            var since = TimeProvider.System.GetTimestamp();
            await service.AssertCallIsServedAsync();
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(4));
        }

        Assert.True(ThreadPool.ThreadCount - threads < 40, $"{ThreadPool.ThreadCount} threads, {threads} before");
        await Eventually.HoldsAsync(() => service.Connections == 0);
        foreach (var stream in slow)
        {
            Assert.Empty(await AttackedService.ReadToEndAsync(stream));
            await stream.DisposeAsync();
        }

        await service.AssertNothingHeldAsync();
        Assert.Equal(count, service.HandshakeFailures("incomplete"));
        Assert.Single(service.Host.Logs.Of(103));
    }

    [Fact]
    public async Task Connect_HundredsOfTimesAndBeRefused_LeavesNoMemoryAndNoHandle()
    {
        await using var service = await AttackedService.StartAsync();
        using var stranger = new TestCertificateAuthority();
        var foreign = MeshCaller.ContextOf(stranger.IssueLeaf(InboundTestHost.Web));
        var flawed = MeshCaller.ContextOf(service.Authority.IssueFlawed(InboundTestHost.Web, LeafFlaw.TwoUriNames));
        async Task AttackAsync(int times)
        {
            for (var i = 0; i < times; i++)
            {
                Assert.Null(await service.TryCallAsync(foreign));
                Assert.Null(await service.TryCallAsync(flawed));
                Assert.StartsWith("HTTP/1.1 400", await service.ExchangeAsync("GET /public/a HTTP/1.1\r\n\r\n"), StringComparison.Ordinal);
                Assert.StartsWith("HTTP/1.1 403", await service.ExchangeAsync(
                    "GET /admin/keys HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
            }

            await service.AssertNothingHeldAsync();
        }

        await AttackAsync(25);
        var (memory, handles) = (Settled(), Handles());
        await AttackAsync(100);

        // Four hundred connections later: what is kept of each would show, were it only a kilobyte.
        Assert.True(Settled() - memory < 2_000_000, $"{Settled() - memory} bytes more");
        Assert.True(Handles() - handles < 20, $"{Handles() - handles} handles more");
    }

    // Certificates are freed by finalizers, which takes a second collection.
    private static long Settled()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static int Handles() => Directory.Exists("/proc/self/fd") ? Directory.GetFileSystemEntries("/proc/self/fd").Length : 0;
}
