using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Discovery;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Connections;

/// <summary>A program that knows nothing of the mesh, behind the mesh port of a process that does.</summary>
public sealed class ExposedTargetTests
{
    private const int Limit = 60_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Connection_WithAPermit_IsHandedOnAndEndsInOrderBothWays()
    {
        using var program = new Program(async socket =>
        {
            var text = await ReadToEndAsync(socket);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"heard {text}"), Token);
        });
        await using var host = await StartAsync(program.Port);
        await using var connection = await RawCaller.ConnectAsync(host, "web");

        await connection.WriteAsync("question"u8.ToArray(), Token);
        await connection.ShutdownAsync();

        using var reader = new StreamReader(connection, Encoding.ASCII);
        Assert.Equal("heard question", await reader.ReadToEndAsync(Token).Bounded());
    }

    [Fact(Timeout = Limit)]
    public async Task Connection_WithoutAPermit_NeverReachesTheProgram()
    {
        var reached = 0;
        using var program = new Program(_ =>
        {
            reached++;
            return Task.CompletedTask;
        });
        await using var host = await StartAsync(program.Port, options => options.CheckInterval = TimeSpan.Zero);
        await using var connection = await RawCaller.ConnectAsync(host, "batch");

        await EndAsync(connection);
        Assert.Equal(0, reached);
    }

    [Fact(Timeout = Limit)]
    public async Task Target_IsGoneAndBack_TheInstanceIsOutOfUseMeanwhile()
    {
        var program = new Program(socket => socket.SendAsync("x"u8.ToArray(), Token).AsTask());
        await using var host = await StartAsync(program.Port);
        await Eventually.HoldsAsync(() => Health(host) == InstanceHealth.Passing);

        var port = program.Port;
        program.Dispose();
        // The connection that finds nobody there has the program looked at at once.
        try
        {
            await using var connection = await RawCaller.ConnectAsync(host, "web");
            await EndAsync(connection);
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            // It had just been looked at, and connections are turned away before the handshake.
        }

        await Eventually.HoldsAsync(() => Health(host) == InstanceHealth.Critical);
        // The log is written after the registry has been told.
        await Eventually.HoldsAsync(() => host.Logs.Of(112).Count() == 1);

        using var again = new Program(socket => socket.SendAsync("x"u8.ToArray(), Token).AsTask(), port);
        await Eventually.HoldsAsync(() => Health(host) == InstanceHealth.Passing);
        await Eventually.HoldsAsync(() => host.Logs.Of(113).Count() == 1);
    }

    [Fact(Timeout = Limit)]
    public async Task Target_IsNotThereAtStart_TheInstanceIsRegisteredOnlyWhenItIs()
    {
        int port;
        using (var nobody = new Program(_ => Task.CompletedTask))
        {
            port = nobody.Port;
        }

        await using var host = await StartAsync(port);
        Assert.Empty(host.ControlPlane.Registrations);

        using var program = new Program(_ => Task.CompletedTask, port);
        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered && Health(host) == InstanceHealth.Passing);
    }

    [Fact(Timeout = Limit)]
    public async Task Connection_MoreThanMaxConnections_IsRefused()
    {
        using var program = new Program(async socket =>
        {
            await socket.SendAsync("x"u8.ToArray(), Token);
            await ReadToEndAsync(socket);
        });
        await using var host = await StartAsync(program.Port, options => (options.MaxConnections, options.CheckInterval) = (1, TimeSpan.Zero));
        await using var first = await RawCaller.ConnectAsync(host, "web");
        await first.ReadExactlyAsync(new byte[1], Token).AsTask().Bounded();
        await using (var second = await RawCaller.ConnectAsync(host, "web"))
        {
            await EndAsync(second);
        }

        Assert.Contains(host.Logs.Of(111), line => line.Text.Contains("1 are open already", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("10.0.0.1:5432", "may be another machine")]
    [InlineData("127.0.0.1", "has to be address:port")]
    [InlineData("127.0.0.1:0", "has to be address:port")]
    [InlineData("*:5432", "has to be address:port")]
    public async Task Target_ThatCannotBe_IsRefused(string target, string words)
    {
        await using var host = InboundTestHost.Create(settings: new() { ["Mesh:Inbound:Expose:Target"] = target });
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => host.App.StartAsync(Token));
        Assert.Contains(failure.Failures, one => one.Contains(words, StringComparison.Ordinal));
    }

    private static InstanceHealth? Health(InboundTestHost host) =>
        host.ControlPlane.Instances(InboundTestHost.Orders).Instances is [var instance] ? instance.Health : null;

    private static async Task<InboundTestHost> StartAsync(int port, Action<MeshExposeOptions>? configure = null)
    {
        var host = await InboundTestHost.StartAsync(build: builder => builder.Services.AddMeshExpose($"127.0.0.1:{port}", configure));
        host.ControlPlane.Allow("web", "orders");
        await Eventually.HoldsAsync(() =>
            host.Services.GetRequiredService<InboundIntentions>().InForce?.Evaluator.EvaluateConnection("web").IsAllowed == true);
        return host;
    }

    private static async Task EndAsync(SslStream connection)
    {
        try
        {
            Assert.Equal(0, await connection.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, Token).AsTask().Bounded());
        }
        catch (IOException)
        {
            // Broken off.
        }
    }

    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        var text = new StringBuilder();
        var buffer = new byte[1000];
        while (await socket.ReceiveAsync(buffer, Token) is > 0 and var read)
        {
            text.Append(Encoding.ASCII.GetString(buffer, 0, read));
        }

        return text.ToString();
    }

    /// <summary>A program that serves plain TCP.</summary>
    private sealed class Program : IDisposable
    {
        private readonly TcpListener _listener;

        public Program(Func<Socket, Task> serve, int port = 0)
        {
            _listener = new TcpListener(IPAddress.Loopback, port);
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _ = AcceptAsync(serve);
        }

        public int Port { get; }

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync(Func<Socket, Task> serve)
        {
            try
            {
                while (true)
                {
                    var socket = await _listener.AcceptSocketAsync(Token);
                    _ = ServeAsync(socket, serve);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // It is over.
            }
        }

        private static async Task ServeAsync(Socket socket, Func<Socket, Task> serve)
        {
            using (socket)
            {
                try
                {
                    await serve(socket);
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    // The other side is gone.
                }
            }
        }
    }
}
