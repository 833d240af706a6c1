using System.Net.Security;
using System.Threading.Channels;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using MeshClient.Transport;

namespace MeshClient.Tests.Transport;

/// <summary>What a connection that gathers small writes makes of the other things that are done to a stream.</summary>
public sealed class InstanceStreamTests
{
    // So many are written one by one before anything is held.
    private const int Warming = WriteCoalescer.RecentWrites;

    private readonly Channel<byte[]> _received = Channel.CreateUnbounded<byte[]>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Dispose_SomethingHeld_IsSentFirst(bool isAsync)
    {
        const int Rounds = 20;
        await using var env = Environment();
        var peer = Start(env);
        var whole = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var stream = await ConnectAsync(env, peer);
            for (byte i = 0; i <= Warming; i++)
            {
                await stream.WriteAsync(new[] { i }, Token);
            }

            if (isAsync)
            {
                await stream.DisposeAsync();
            }
            else
            {
                stream.Dispose();
            }

            var received = await _received.Reader.ReadAsync(Token).AsTask().BoundedAsync();
            Assert.Equal(Enumerable.Range(0, received.Length).Select(i => (byte)i), received);
            Assert.InRange(received.Length, Warming, Warming + 1);
            whole += received.Length == Warming + 1 ? 1 : 0;
            await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.WriteAsync(new byte[1], Token).AsTask());
        }

        // A look of the pool's may be about to send it just then, and is not waited for.
        Assert.InRange(whole, Rounds / 2, Rounds);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Write_InEveryWay_KeepsTheOrder()
    {
        await using var env = Environment();
        var peer = Start(env);
        var stream = await ConnectAsync(env, peer);
        Func<byte[], int, int, CancellationToken, Task> writeAsync = stream.WriteAsync;
        byte next = 0;
        byte[] Next() => [next++, next++, next++];
        for (var round = 0; round < 10; round++)
        {
            await stream.WriteAsync(Next().AsMemory(), Token);
            await stream.WriteAsync(Next().AsMemory(), Token);
            stream.Write(Next());
            await stream.WriteAsync(Next().AsMemory(), Token);
            stream.Write(Next().AsSpan());
            await stream.WriteAsync(Next().AsMemory(), Token);
            stream.WriteByte(next++);
            await writeAsync(Next(), 0, 3, Token);
            await Task.Factory.FromAsync(stream.BeginWrite, stream.EndWrite, Next(), 0, 3, null);
            await stream.WriteAsync(Next().AsMemory(), Token);
            await stream.FlushAsync(Token);
            await stream.WriteAsync(Next().AsMemory(), Token);
            stream.Flush();
        }

        await stream.DisposeAsync();
        var received = await _received.Reader.ReadAsync(Token).AsTask().BoundedAsync();
        Assert.Equal(Enumerable.Range(0, 10 * ((10 * 3) + 1)).Select(i => (byte)i), received);
    }

    private static MeshTestEnvironment Environment() => new(services: services => services.AddTransports(time: new StillClock()));

    private static async Task<SslStream> ConnectAsync(MeshTestEnvironment env, RawPeer peer)
    {
        var listed = env.List("orders", peer.Port);
        var connector = env.Transports.CreateConnector(listed, listed.Endpoints[0], TimeSpan.FromSeconds(10), [SslApplicationProtocol.Http2]);
        connector.InFlight = () => 64;
        var stream = (SslStream)await connector.ConnectAsync(Token);
        // With something unread the end would be a reset.
        await stream.ReadExactlyAsync(new byte[1], Token);
        return stream;
    }

    private RawPeer Start(MeshTestEnvironment env) => env.Own(RawPeer.Start(
        async (stream, _, token) =>
        {
            await stream.WriteAsync(new byte[1], token);
            using var all = new MemoryStream();
            await stream.CopyToAsync(all, token);
            _received.Writer.TryWrite(all.ToArray());
        },
        PeerTls.For(env.Authority, "orders"),
        SslApplicationProtocol.Http2,
        PeerEnd.Orderly));
}
