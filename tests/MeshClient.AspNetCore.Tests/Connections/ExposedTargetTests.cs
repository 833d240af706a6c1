using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Discovery;
using MeshClient.TestSupport;
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
        await using var program = Program(async (socket, stop) =>
        {
            var text = await ReadToEndAsync(socket, stop);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"heard {text}"), stop);
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
        await using var program = Program(HangUpAsync);
        await using var host = await StartAsync(program.Port, options => options.CheckInterval = TimeSpan.Zero);
        await using var connection = await RawCaller.ConnectAsync(host, "batch");

        await EndAsync(connection);
        Assert.Equal(0, program.Connections);
    }

    [Fact(Timeout = Limit)]
    public async Task Target_IsGoneAndBack_TheInstanceIsOutOfUseMeanwhile()
    {
        var port = FreePorts.Find(1)[0];
        var program = Program(GreetAsync, port);
        await using var host = await StartAsync(port);
        await Eventually.HoldsAsync(() => Health(host) == InstanceHealth.Passing);

        await program.DisposeAsync();
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

        await using var again = Program(GreetAsync, port);
        await Eventually.HoldsAsync(() => Health(host) == InstanceHealth.Passing);
        await Eventually.HoldsAsync(() => host.Logs.Of(113).Count() == 1);
    }

    [Fact(Timeout = Limit)]
    public async Task Target_IsNotThereAtStart_TheInstanceIsRegisteredOnlyWhenItIs()
    {
        var port = FreePorts.Find(1)[0];
        await using var host = await StartAsync(port);
        Assert.Empty(host.ControlPlane.Registrations);

        await using var program = Program(HangUpAsync, port);
        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered && Health(host) == InstanceHealth.Passing);
    }

    [Fact(Timeout = Limit)]
    public async Task Connection_MoreThanMaxConnections_IsRefused()
    {
        await using var program = Program(async (socket, stop) =>
        {
            await GreetAsync(socket, stop);
            await ReadToEndAsync(socket, stop);
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

    // A program that serves plain TCP.
    private static LoopbackListener Program(Func<Socket, CancellationToken, Task> serve, int port = 0) => new(
        async (socket, _, stop) =>
        {
            using (socket)
            {
                try
                {
                    await serve(socket, stop);
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    // The other side is gone, or it is over.
                }
            }
        },
        port);

    private static InstanceHealth? Health(InboundTestHost host) =>
        host.ControlPlane.Instances(InboundTestHost.Orders).Instances is [var instance] ? instance.Health : null;

    private static async Task<InboundTestHost> StartAsync(int port, Action<MeshExposeOptions>? configure = null)
    {
        var host = await InboundTestHost.StartAsync(build: builder => builder.Services.AddMeshExpose($"127.0.0.1:{port}", options =>
        {
            // Whether the program is there is seen at once: none of these is about one that does not answer.
            options.ConnectTimeout = Eventually.Bound;
            configure?.Invoke(options);
        }));
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

    private static Task HangUpAsync(Socket socket, CancellationToken stop) => Task.CompletedTask;

    private static Task GreetAsync(Socket socket, CancellationToken stop) => socket.SendAsync("x"u8.ToArray(), stop).AsTask();

    private static async Task<string> ReadToEndAsync(Socket socket, CancellationToken stop)
    {
        var text = new StringBuilder();
        var buffer = new byte[1000];
        while (await socket.ReceiveAsync(buffer, stop) is > 0 and var read)
        {
            text.Append(Encoding.ASCII.GetString(buffer, 0, read));
        }

        return text.ToString();
    }
}
