using System.Net.Security;
using System.Security.Authentication;
using System.Text;
using MeshClient.Balancing;
using MeshClient.Dialing;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Dialing;

/// <summary>What a connection does once it is open: each direction ends by itself, and what breaks it is told.</summary>
public sealed class DialedConnectionTests
{
    private const string Postgres = "postgres";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task CloseWriteAsync_ThenReading_GetsWhatTheInstanceSendsAfterwards()
    {
        var answer = Bytes(1_000_000, 1);
        await using var env = new MeshTestEnvironment();
        env.StartRaw(Postgres, async (stream, _, token) =>
        {
            var asked = await ReadToEndAsync(stream, token);
            await stream.WriteAsync(asked, token);
            await stream.WriteAsync(answer, token);
            await ((SslStream)stream).ShutdownAsync();
        }, end: PeerEnd.Orderly);
        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        await connection.WriteAsync("question"u8.ToArray(), Token);

        await connection.CloseWriteAsync(Token);
        await connection.CloseWriteAsync(Token);
        var all = await ReadToEndAsync(connection, Token);

        Assert.False(connection.CanWrite);
        Assert.Equal("question", Encoding.ASCII.GetString(all.AsSpan(0, 8)));
        Assert.Equal(answer, all.AsSpan(8).ToArray());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.WriteAsync(new byte[1], Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_InstanceEndsItsSide_IsZeroAndWritingGoesOn()
    {
        var got = new TaskCompletionSource<byte[]>();
        await using var env = new MeshTestEnvironment();
        env.StartRaw(Postgres, async (stream, _, token) =>
        {
            await stream.WriteAsync("greeting"u8.ToArray(), token);
            await ((SslStream)stream).ShutdownAsync();
            got.SetResult(await ReadToEndAsync(stream, token));
        });
        var sent = Bytes(500_000, 2);
        await using (var connection = await Dialer(env).ConnectAsync(Postgres, Token))
        {
            Assert.Equal("greeting", Encoding.ASCII.GetString(await ReadToEndAsync(connection, Token)));
            await connection.WriteAsync(sent, Token);
        }

        Assert.Equal(sent, await got.Task.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Dispose_EitherWay_IsAnOrderlyEndForTheInstance()
    {
        await using var env = new MeshTestEnvironment();
        var ends = new List<TaskCompletionSource<string>> { new(), new(), new() };
        env.StartRaw(Postgres, async (stream, number, token) =>
        {
            var end = ends[number - 1];
            await stream.WriteAsync("."u8.ToArray(), token);
            try
            {
                end.SetResult(Encoding.ASCII.GetString(await ReadToEndAsync(stream, token)));
            }
            catch (Exception e)
            {
                end.SetResult(e.GetType().Name);
            }
        });
        var first = await Dialer(env).ConnectAsync(Postgres, Token);
        await first.WriteAsync("one"u8.ToArray(), Token);
        await first.DisposeAsync();
        var second = await Dialer(env).ConnectAsync(Postgres, Token);
        await second.WriteAsync("two"u8.ToArray(), Token);
        DisposeInPlace(second);
        var third = await Dialer(env).ConnectAsync(Postgres, Token);
        await third.WriteAsync("three"u8.ToArray(), Token);
        // From here on the instance has the connection, too.
        await third.ReadExactlyAsync(new byte[1], Token);
        third.Abort();

        Assert.Equal("one", await ends[0].Task.BoundedAsync());
        Assert.Equal("two", await ends[1].Task.BoundedAsync());
        Assert.Equal("IOException", await ends[2].Task.BoundedAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => first.ReadExactlyAsync(new byte[1], Token).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await third.WriteAsync(new byte[1], Token));
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_ConnectionBreaks_SaysWhichServiceAndInstanceAndCountsAgainstIt()
    {
        await using var env = new MeshTestEnvironment();
        var peer = env.StartRaw(Postgres, async (stream, _, token) =>
        {
            await stream.WriteAsync("x"u8.ToArray(), token);
            await stream.ReadExactlyAsync(new byte[1], token);
        }, end: PeerEnd.Reset);
        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        await connection.ReadExactlyAsync(new byte[1], Token);
        await connection.WriteAsync(new byte[100], Token);

        var failure = await Assert.ThrowsAsync<IOException>(() => connection.ReadExactlyAsync(new byte[1], Token).AsTask());

        Assert.Contains($"'postgres' ({connection.InstanceId} at 127.0.0.1:{peer.Port})", failure.Message, StringComparison.Ordinal);
        Assert.Contains("reset by peer", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, env.State(Postgres).InFlight);
        Assert.Equal(0, env.Instance(Postgres, peer.Port).Ejection.Read(env.State(Postgres).Health.Now).SuccessRate, 3);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_InstancesThatHangUpAtOnce_AreEjected()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            // The default policy would send hardly anything there after the first failure.
            options.Defaults.Balancing.Policy = BalancingPolicy.RoundRobin;
            options.Defaults.Health.ConsecutiveFailures = 3;
        });
        var silent = env.StartRaw(Postgres, async (stream, _, _) => await ((SslStream)stream).ShutdownAsync(), end: PeerEnd.Orderly);
        var good = env.StartRaw(Postgres, async (stream, _, token) =>
        {
            await stream.WriteAsync("x"u8.ToArray(), token);
            await stream.ReadExactlyAsync(new byte[1], token);
        });
        var tries = 0;
        do
        {
            await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
            await ReadOneAsync(connection);
        }
        while (!IsEjected() && ++tries < 100);

        Assert.True(IsEjected());
        var before = good.Connections;
        for (var i = 0; i < 10; i++)
        {
            await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
            Assert.Equal(1, await ReadOneAsync(connection));
        }

        Assert.Equal(before + 10, good.Connections);

        bool IsEjected() => env.Instance(Postgres, silent.Port).Ejection.IsEjected;
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_Cancelled_LeavesTheConnectionAsItWas()
    {
        await using var env = new MeshTestEnvironment();
        env.StartRaw(Postgres, async (stream, _, token) => await stream.CopyToAsync(stream, token));
        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        using var giveUp = new CancellationTokenSource();
        var reading = connection.ReadAsync(new byte[1], giveUp.Token).AsTask();

        await giveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.BoundedAsync());
        await connection.WriteAsync("y"u8.ToArray(), Token);
        var one = new byte[1];
        await connection.ReadExactlyAsync(one, Token);
        Assert.Equal((byte)'y', one[0]);
        Assert.Equal(1, env.State(Postgres).InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAndWrite_Synchronously_WorkToo()
    {
        await using var env = new MeshTestEnvironment();
        env.StartRaw(Postgres, async (stream, _, token) => await stream.CopyToAsync(stream, token));
        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);

        Assert.Equal("sync", await Task.Run(() => Exchange(connection), Token).BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Dispose_WhileReading_EndsTheReadAndIsNobodysFault()
    {
        await using var env = new MeshTestEnvironment();
        var peer = env.StartRaw(Postgres, async (stream, _, token) => await stream.CopyToAsync(stream, token));
        var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        var reading = connection.ReadAsync(new byte[1], Token).AsTask();

        connection.Abort();

        await Assert.ThrowsAnyAsync<Exception>(() => reading.BoundedAsync());
        Assert.Equal(0, env.State(Postgres).InFlight);
        Assert.Equal(1, env.Instance(Postgres, peer.Port).Ejection.Read(env.State(Postgres).Health.Now).SuccessRate, 3);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Dispose_WhileWriting_IsNotTakenForTheEndByTheInstance()
    {
        var isOpen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var mayRead = new TaskCompletionSource();
        var end = new TaskCompletionSource<string>();
        await using var env = new MeshTestEnvironment();
        env.StartRaw(Postgres, async (stream, _, token) =>
        {
            isOpen.SetResult();
            await mayRead.Task.WaitAsync(token);
            try
            {
                await ReadToEndAsync(stream, token);
                end.SetResult("the end");
            }
            catch (IOException)
            {
                end.SetResult("broken off");
            }
        });
        var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        // The handshake ends earlier here than there, and one that is broken off in it is never served.
        await isOpen.Task.BoundedAsync();
        // More than fits anywhere on the way.
        var writing = connection.WriteAsync(new byte[64 * 1024 * 1024], Token).AsTask();

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.CloseWriteAsync(Token));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.WriteAsync(new byte[1], Token));
        Assert.True(connection.CanWrite);
        await connection.DisposeAsync();
        mayRead.SetResult();

        Assert.Equal("broken off", await end.Task.BoundedAsync());
        await Assert.ThrowsAnyAsync<Exception>(() => writing.BoundedAsync());
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    // Both sides send at full speed and end at moments of their own: what ends one direction must not touch the other's session.
    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task BothDirections_EndingAtRandomMoments_LoseAndDoubleNothing(SslProtocols protocol)
    {
        const int Connections = 24;
        // All are busy at once, and each is to be had at the first attempt.
        await using var env = new MeshTestEnvironment(options =>
            options.Defaults.ConnectTimeout = options.Defaults.AttemptTimeout = options.Defaults.CallTimeout = TimeSpan.FromSeconds(30));
        var tls = PeerTls.For(env.Authority, Postgres);
        var peer = env.Own(RawPeer.Start(
            async (stream, number, token) =>
            {
                var receiving = VerifyAsync(stream, number, token);
                await SendAsync(stream, number + 1000, () => new ValueTask(((SslStream)stream).ShutdownAsync()), token);
                await receiving;
            },
            tls.Only(protocol),
            end: PeerEnd.Orderly));
        env.List(Postgres, peer.Port);

        await Task.WhenAll(Enumerable.Range(0, Connections).Select(async _ =>
        {
            await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
            var number = 0;
            var buffer = new byte[4];
            await connection.ReadExactlyAsync(buffer, Token);
            number = BitConverter.ToInt32(buffer) - 1000;
            var receiving = VerifyAsync(connection, number + 1000, Token, isBegun: true);
            await SendAsync(connection, number, () => connection.CloseWriteAsync(Token), Token);
            await receiving;
        }));

        Assert.Equal(Connections, peer.Connections);
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    private static IMeshDialer Dialer(MeshTestEnvironment env) => env.Services.GetRequiredService<IMeshDialer>();

    // Begins with its seed, from which the receiver knows all that has to come.
    private static async Task SendAsync(Stream stream, int seed, Func<ValueTask> end, CancellationToken token)
    {
        var random = new MeshRandom((ulong)seed);
        await stream.WriteAsync(BitConverter.GetBytes(seed), token);
        var left = random.Next(400_000);
        while (left > 0)
        {
            var chunk = new byte[Math.Min(left, 1 + random.Next(20_000))];
            for (var i = 0; i < chunk.Length; i++)
            {
                chunk[i] = (byte)random.NextBits();
            }

            await stream.WriteAsync(chunk, token);
            left -= chunk.Length;
        }

        await end();
    }

    private static async Task VerifyAsync(Stream stream, int seed, CancellationToken token, bool isBegun = false)
    {
        var random = new MeshRandom((ulong)seed);
        var buffer = new byte[16_384];
        if (!isBegun)
        {
            await stream.ReadExactlyAsync(buffer.AsMemory(0, 4), token);
            Assert.Equal(seed, BitConverter.ToInt32(buffer));
        }

        var total = random.Next(400_000);
        var (left, chunk) = (total, 0);
        while (await stream.ReadAsync(buffer, token) is > 0 and var read)
        {
            for (var i = 0; i < read; i++, left--, chunk--)
            {
                if (chunk == 0)
                {
                    chunk = Math.Min(left, 1 + random.Next(20_000));
                }

                if (buffer[i] != (byte)random.NextBits())
                {
                    Assert.Fail($"Byte {total - left} of {total} is another.");
                }
            }
        }

        Assert.Equal(0, left);
    }

    private static async Task<byte[]> ReadToEndAsync(Stream stream, CancellationToken token)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, token);
        return all.ToArray();
    }

    private static void DisposeInPlace(MeshConnection connection) => connection.Dispose();

    private static async Task<int> ReadOneAsync(MeshConnection connection)
    {
        var one = new byte[1];
        return await connection.ReadAtLeastAsync(one, 1, throwOnEndOfStream: false, Token);
    }

    private static string Exchange(Stream stream)
    {
        stream.Write("sync"u8);
        stream.Flush();
        var buffer = new byte[4];
        stream.ReadExactly(buffer);
        return Encoding.ASCII.GetString(buffer);
    }

    private static byte[] Bytes(int length, int seed)
    {
        var random = new MeshRandom((ulong)seed);
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)random.NextBits();
        }

        return bytes;
    }
}
