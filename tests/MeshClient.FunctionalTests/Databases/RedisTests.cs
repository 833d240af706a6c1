using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>A real Redis over the mesh, in its own protocol over a socket.</summary>
public sealed class RedisTests
{
    private const int Limit = 120_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Commands_OneByOneManyAtOnceAndLarge_AreAnswered()
    {
        await using var database = await RedisServer.StartAsync();
        await using var mesh = await DatabaseMesh.StartAsync("redis", database.Port);
        await mesh.AllowAsync();
        await WaitUntilAllowedAsync(mesh);
        using var client = await ConnectAsync(mesh);
        using var reader = new StreamReader(client, Encoding.ASCII);

        Assert.Equal("+PONG", await AskAsync(client, reader, "PING"));
        Assert.Equal("+OK", await AskAsync(client, reader, "SET", "key", "value"));
        Assert.Equal("$5", await AskAsync(client, reader, "GET", "key"));
        Assert.Equal("value", await reader.ReadLineAsync(Token));

        // Many commands before the first answer is read: a pipeline.
        const int Commands = 10_000;
        var sending = client.WriteAsync(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, Commands).Select(_ => Command("INCR", "counter")))), Token);
        for (var i = 1; i <= Commands; i++)
        {
            Assert.Equal($":{i}", await reader.ReadLineAsync(Token));
        }

        await sending;

        var large = new string('x', 8 << 20);
        Assert.Equal("+OK", await AskAsync(client, reader, "SET", "large", large));
        Assert.Equal($"${large.Length}", await AskAsync(client, reader, "GET", "large"));
        Assert.Equal(large, await reader.ReadLineAsync(Token));
    }

    [Fact(Timeout = Limit)]
    public async Task Subscriber_PermitIsWithdrawn_IsCutOffWithinASecond()
    {
        await using var database = await RedisServer.StartAsync();
        await using var mesh = await DatabaseMesh.StartAsync("redis", database.Port);
        Assert.False(await IsServedAsync(mesh));
        var times = new List<TimeSpan>();
        for (var i = 0; i < 3; i++)
        {
            await mesh.AllowAsync();
            await WaitUntilAllowedAsync(mesh);
            using var subscriber = await ConnectAsync(mesh);
            await subscriber.WriteAsync(Encoding.ASCII.GetBytes(Command("SUBSCRIBE", "news")), Token);
            await subscriber.ReadExactlyAsync(new byte["*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n".Length], Token);
            var waiting = subscriber.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, Token).AsTask();

            var since = TimeProvider.System.GetTimestamp();
            await mesh.DenyAsync();

            await waiting.ContinueWith(ended => Assert.True(ended.IsFaulted || ended.Result == 0), Token, TaskContinuationOptions.None, TaskScheduler.Default);
            times.Add(TimeProvider.System.GetElapsedTime(since));
            Assert.False(await IsServedAsync(mesh));
        }

        // One may meet a machine that is busy with something else.
        Assert.True(times.Order().ElementAt(times.Count - 2) < TimeSpan.FromSeconds(1), string.Join(", ", times));
        Assert.True(times.Max() < TimeSpan.FromSeconds(10), string.Join(", ", times));
    }

    private static async Task<NetworkStream> ConnectAsync(DatabaseMesh mesh)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, mesh.LocalPort, Token);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static Task WaitUntilAllowedAsync(DatabaseMesh mesh) => MeshHosts.WaitUntilAsync(() => IsServedAsync(mesh));

    private static async Task<bool> IsServedAsync(DatabaseMesh mesh)
    {
        try
        {
            using var client = await ConnectAsync(mesh);
            using var reader = new StreamReader(client, Encoding.ASCII);
            return await AskAsync(client, reader, "PING") == "+PONG";
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // Refused, or cut off: on a busy machine before connecting has returned.
            return false;
        }
    }

    private static async Task<string?> AskAsync(NetworkStream client, StreamReader reader, params string[] words)
    {
        await client.WriteAsync(Encoding.ASCII.GetBytes(Command(words)), Token);
        return await reader.ReadLineAsync(Token);
    }

    private static string Command(params string[] words) => string.Create(
        CultureInfo.InvariantCulture, $"*{words.Length}\r\n{string.Concat(words.Select(word => $"${word.Length}\r\n{word}\r\n"))}");
}
