using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using MeshClient.Configuration;
using MeshClient.Forwarders;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Tests.Forwarders;

/// <summary>A port of this machine that leads to a service.</summary>
public sealed class LocalForwarderTests
{
    private const string Postgres = "postgres";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connection_ToTheForwarder_ReachesTheServiceAndEndsInOrderBothWays()
    {
        await using var env = Environment();
        env.StartRaw(Postgres, async (stream, _, token) =>
        {
            using var all = new MemoryStream();
            await stream.CopyToAsync(all, token);
            await stream.WriteAsync(all.ToArray(), token);
            await ((SslStream)stream).ShutdownAsync();
        }, end: PeerEnd.Orderly);
        await using var forwarder = await StartAsync(env);
        using var client = await ConnectAsync(forwarder);

        await client.SendAsync("question"u8.ToArray(), Token);
        client.Shutdown(SocketShutdown.Send);

        Assert.Equal("question", await ReadToEndAsync(client));
        await Eventually.HoldsAsync(() => forwarder.OpenOf(Postgres) == 0 && env.State(Postgres).InFlight == 0);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connection_ServiceCannotBeReached_IsResetAndLoggedOnce()
    {
        await using var env = Environment();
        env.List(Postgres, RawPeer.ClosedPort());
        await using var forwarder = await StartAsync(env);
        for (var i = 0; i < 3; i++)
        {
            using var client = await ConnectAsync(forwarder);
            await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1], Token).AsTask().BoundedAsync());
        }

        // Written when the program has been told.
        await Eventually.HoldsAsync(() => forwarder.OpenOf(Postgres) == 0);
        var line = Assert.Single(env.Logs.Lines, line => line.Event.Id == 61);
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.Contains("'postgres' failed", line.Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connection_MoreThanMaxConnections_WaitsForAnotherToEnd()
    {
        await using var env = Environment(options => options.MaxConnections = 1);
        env.StartRaw(Postgres, async (stream, number, token) =>
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"{number}"), token);
            await stream.CopyToAsync(Stream.Null, token);
        });
        await using var forwarder = await StartAsync(env);
        var first = await ConnectAsync(forwarder);
        Assert.Equal("1", await ReadAsync(first));
        using var second = await ConnectAsync(forwarder);
        var reading = ReadAsync(second);
        await Eventually.HoldsAsync(() => forwarder.OpenOf(Postgres) == 1);
        Assert.False(reading.IsCompleted);

        first.Dispose();

        Assert.Equal("2", await reading.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task StopAsync_WithAConnectionOpen_TakesNoMoreAndBreaksItOffInTheEnd()
    {
        // With a clock that stands still: it would break it off by itself after two seconds.
        await using var env = Environment(services: services => services.AddSingleton<TimeProvider>(new FakeTimeProvider()));
        env.StartRaw(Postgres, async (stream, _, token) =>
        {
            await stream.WriteAsync("1"u8.ToArray(), token);
            await stream.CopyToAsync(Stream.Null, token);
        });
        await using var forwarder = await StartAsync(env);
        using var open = await ConnectAsync(forwarder);
        await ReadAsync(open);
        var endPoint = forwarder.EndPointOf(Postgres);
        using var hurry = new CancellationTokenSource();
        var stopping = forwarder.StopAsync(hurry.Token);
        await Eventually.HoldsAsync(() => IsRefusedAsync(endPoint));
        Assert.False(stopping.IsCompleted);

        await hurry.CancelAsync();

        await stopping.BoundedAsync();
        await Assert.ThrowsAsync<SocketException>(() => open.ReceiveAsync(new byte[1], Token).AsTask().BoundedAsync());
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task StartAsync_PortIsTaken_SaysWhoseSettingItIs()
    {
        using var taken = new Socket(SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        await using var env = new MeshTestEnvironment(services: services =>
            services.AddMeshForwarder(Postgres, $"127.0.0.1:{((IPEndPoint)taken.LocalEndPoint!).Port}"));
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StartAsync(env));
        Assert.Contains("Mesh:Forwards:postgres cannot listen at 127.0.0.1", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Mesh:Forwards:postgres:Listen", "0.0.0.0:5432", "which other machines may reach")]
    [InlineData("Mesh:Forwards:postgres:Listen", "*:5432", "Mesh:Forwards:postgres:AllowRemote")]
    [InlineData("Mesh:Forwards:postgres:Listen", "5432", "has to be address:port")]
    [InlineData("Mesh:Forwards:postgres:MaxConnections", "0", "Mesh:Forwards:postgres:MaxConnections is 0")]
    [InlineData("Mesh:Forwards:postgres:IdleTimeout", "00:00:00.5", "Mesh:Forwards:postgres:IdleTimeout")]
    [InlineData("Mesh:Forwards:postgres:Target", "x", "is not a known setting")]
    [InlineData("Mesh:Forwards:127.0.0.1:Listen", "127.0.0.1:1", "is not the name of a service")]
    public async Task Options_ThatCannotBe_AreRefused(string key, string value, string words)
    {
        await using var env = new MeshTestEnvironment(configuration: [new(key, value)]);
        var failure = Assert.Throws<OptionsValidationException>(() => env.Services.GetRequiredService<IOptions<MeshOptions>>().Value);
        Assert.Contains(failure.Failures, one => one.Contains(words, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Options_RemoteAddressAllowed_IsTaken()
    {
        await using var env = new MeshTestEnvironment(configuration:
            [new("Mesh:Forwards:postgres:Listen", "0.0.0.0:0"), new("Mesh:Forwards:postgres:AllowRemote", "true")]);
        Assert.True(env.Services.GetRequiredService<IOptions<MeshOptions>>().Value.Forwards["postgres"].AllowRemote);
    }

    private static MeshTestEnvironment Environment(Action<MeshForwarderOptions>? configure = null, Action<IServiceCollection>? services = null) =>
        new(services: collection =>
        {
            collection.AddMeshForwarder(Postgres, "127.0.0.1:0", configure);
            services?.Invoke(collection);
        });

    private static async Task<ForwarderHostedService> StartAsync(MeshTestEnvironment env)
    {
        var forwarder = env.Services.GetServices<IHostedService>().OfType<ForwarderHostedService>().Single();
        await forwarder.StartAsync(Token);
        return forwarder;
    }

    private static async Task<Socket> ConnectAsync(ForwarderHostedService forwarder)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(forwarder.EndPointOf(Postgres), Token);
        return socket;
    }

    private static async Task<bool> IsRefusedAsync(IPEndPoint endPoint)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endPoint, Token);
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        var buffer = new byte[100];
        return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, Token).AsTask().BoundedAsync());
    }

    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        var text = new StringBuilder();
        while (await ReadAsync(socket) is { Length: > 0 } part)
        {
            text.Append(part);
        }

        return text.ToString();
    }
}
