using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Discovery;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Connections;

/// <summary>Listeners for other protocols than HTTP: who gets in, what ends a connection, and what is told of it.</summary>
public sealed class RawListenerTests
{
    private const int Limit = 60_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task UseMesh_CallerWithAPermit_IsServedAndKnown()
    {
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(EchoAsync)));
        host.ControlPlane.Allow("web", "orders");
        await PermittedAsync(host);
        await using var connection = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal("web", await ReadTextAsync(connection, 3));
        await connection.WriteAsync("hello"u8.ToArray(), Token);
        Assert.Equal("hello", await ReadTextAsync(connection, 5));
    }

    [Fact(Timeout = Limit)]
    public async Task UseMesh_WithoutAName_IsWhatIsRegistered()
    {
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(EchoAsync)));
        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered);

        var endpoint = Assert.Single(host.ControlPlane.Registrations[^1].Endpoints);
        Assert.Equal((null, "127.0.0.1", host.MeshPort, InstanceSecurity.Mesh), (endpoint.Name, endpoint.Host, endpoint.Port, endpoint.Security));
        Assert.Single(host.App.Urls);
    }

    [Fact(Timeout = Limit)]
    public async Task UseMesh_WithAName_IsRegisteredBesideTheMeshPort()
    {
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh("admin").Run(EchoAsync)));
        host.ControlPlane.Allow("web", "orders");
        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered);

        var endpoints = host.ControlPlane.Registrations[^1].Endpoints;
        Assert.Equal([null, "admin"], endpoints.Select(one => one.Name));
        Assert.Equal(host.MeshPort, endpoints[0].Port);
        Assert.Equal(host.Services.GetRequiredService<RawListeners>().Named.Single().EndPoint.Port, endpoints[1].Port);
        using var client = host.CallerFrom("web");
        await Eventually.HoldsAsync(async () => (await client.GetAsync("/hello", Token)).IsSuccessStatusCode);
    }

    [Fact(Timeout = Limit)]
    public async Task UseMesh_CallerWithoutAPermit_IsClosedBeforeTheAppSeesIt()
    {
        var served = 0;
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(_ =>
        {
            served++;
            return Task.CompletedTask;
        })));
        using var metrics = host.Metrics;
        await using var connection = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal(0, await EndOfAsync(connection));
        Assert.Equal(0, served);
        await Eventually.HoldsAsync(() => metrics.Of("meshclient.inbound.connections").Count == 1);
        var tags = metrics.Of("meshclient.inbound.connections")[0].Tags;
        Assert.Equal(("web", "orders", "denied", "default"), (tags["meshclient.source"], tags["meshclient.destination"], tags["meshclient.outcome"], tags["meshclient.rule"]));
        Assert.Contains(host.Logs.Lines, line => line.Level == LogLevel.Warning && line.Text.Contains("Denied", StringComparison.Ordinal) && line.Text.Contains("web", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task UseMesh_IntentionDecidesOnRequests_DeniesAConnection()
    {
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(EchoAsync)));
        host.ControlPlane.SetIntentions(InboundTestHost.Orders, null, new Intention
        {
            Id = "l7",
            Source = "web",
            Destination = "orders",
            Permissions = [new IntentionPermission { Action = IntentionAction.Allow }],
        });
        await using var connection = await RawCaller.ConnectAsync(host, "web");
        Assert.Equal(0, await EndOfAsync(connection));
    }

    [Fact(Timeout = Limit)]
    public async Task IntentionsChange_PermitIsGone_ClosesThatCallersConnectionsAtOnce()
    {
        // Allowed beforehand and by a clock that stands still: nothing waits for a moment to come.
        var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        plane.Allow("batch", "orders");
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane, build: builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(new FakeTimeProvider(TimeProvider.System.GetUtcNow()));
            Kestrel(listener => listener.UseMesh().Run(EchoAsync))(builder);
        });
        using var metrics = host.Metrics;
        await PermittedAsync(host, "batch");
        var open = new List<SslStream>();
        foreach (var source in new[] { "web", "web", "batch" })
        {
            open.Add(await RawCaller.ConnectAsync(host, source));
            await ReadTextAsync(open[^1], source.Length);
        }

        host.ControlPlane.Deny("web", "orders");
        Assert.Equal(0, await EndOfAsync(open[0]));
        Assert.Equal(0, await EndOfAsync(open[1]));

        await open[2].WriteAsync("still"u8.ToArray(), Token);
        Assert.Equal("still", await ReadTextAsync(open[2], 5));
        await Eventually.HoldsAsync(() => host.Services.GetRequiredService<ConnectionGuard>().Open == 1);
        // A connection is ended first, and counted then.
        await Eventually.HoldsAsync(
            () => metrics.Of("meshclient.inbound.denials").Count(one => one.Tags["meshclient.stage"] == "open-connection") == 2);
        open.ForEach(one => one.Dispose());
    }

    [Fact(Timeout = Limit)]
    public async Task IntentionsChange_BetweenTheDecisionAndTheApp_AppDoesNotSeeTheConnection()
    {
        var served = 0;
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(_ =>
        {
            served++;
            return Task.CompletedTask;
        })));
        host.ControlPlane.Allow("web", "orders");
        await PermittedAsync(host);
        // Called in the middle of it all, when the connection has been let in and is counted.
        using var meters = new MeterListener();
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "meshclient.inbound.connections" && ReferenceEquals(instrument.Meter.Scope, host.Services.GetRequiredService<IMeterFactory>()))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<long>((_, _, _, _) =>
        {
            host.ControlPlane.Deny("web", "orders");
            Assert.True(SpinWait.SpinUntil(() => !IsPermitted(host, "web"), TimeSpan.FromSeconds(10)));
        });
        meters.Start();
        await using var connection = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal(0, await EndOfAsync(connection));
        await Eventually.HoldsAsync(() => host.Logs.Lines.Any(line => line.Text.Contains("Denied", StringComparison.Ordinal)));
        await host.StopAsync().Bounded();
        Assert.Equal(0, served);
    }

    [Fact(Timeout = Limit)]
    public async Task Stop_AppFailsWhenItIsAsked_DoesNotHinderTheOthersOrTheDrain()
    {
        await using var host = await StartAsync(
            Kestrel(listener => listener.UseMesh().Run(async connection =>
            {
                var closing = connection.Features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested;
                await using var registration = closing.Register(() => throw new InvalidOperationException("The app's own."));
                await EchoAsync(connection);
            })),
            options => options.DrainTimeout = TimeSpan.FromMilliseconds(200));
        host.ControlPlane.Allow("web", "orders");
        await PermittedAsync(host);
        await using var connection = await RawCaller.ConnectAsync(host, "web");
        await ReadTextAsync(connection, 3);
        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered);

        await host.StopAsync().Bounded();

        Assert.Equal(0, await EndOfAsync(connection));
        Assert.Equal(RegistrationState.Ended, host.Registration.State);
        Assert.NotEmpty(host.Logs.Of(114));
    }

    [Fact(Timeout = Limit)]
    public async Task IntentionsChange_PermitStays_ConnectionGoesOn()
    {
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(EchoAsync)));
        host.ControlPlane.Allow("web", "orders");
        host.ControlPlane.SetDefaultAction(IntentionAction.Allow);
        await PermittedAsync(host, "anybody");
        await using var connection = await RawCaller.ConnectAsync(host, "web");
        await ReadTextAsync(connection, 3);

        // By another rule now, and by the default in the end.
        host.ControlPlane.RemoveIntention("web", "orders");
        host.ControlPlane.Deny("batch", "orders");
        await Eventually.HoldsAsync(() => !IsPermitted(host, "batch"));

        await connection.WriteAsync("on"u8.ToArray(), Token);
        Assert.Equal("on", await ReadTextAsync(connection, 2));
    }

    [Fact(Timeout = Limit)]
    public async Task Output_Completed_EndsThatDirectionOnly()
    {
        var got = new TaskCompletionSource<long>();
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(async connection =>
        {
            await connection.Transport.Output.WriteAsync("bye"u8.ToArray(), Token);
            await connection.Transport.Output.CompleteAsync();
            var total = 0L;
            while (await connection.Transport.Input.ReadAsync(Token) is var result)
            {
                total += result.Buffer.Length;
                connection.Transport.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    break;
                }
            }

            got.SetResult(total);
        })));
        host.ControlPlane.Allow("web", "orders");
        await PermittedAsync(host);
        await using var connection = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal("bye", await ReadTextAsync(connection, 3));
        Assert.Equal(0, await EndOfAsync(connection));
        await connection.WriteAsync(new byte[300_000], Token);
        await connection.ShutdownAsync();

        Assert.Equal(300_000, await got.Task.Bounded());
    }

    [Fact(Timeout = Limit)]
    public async Task Stop_ConnectionsThatHeedTheRequest_EndByThemselves()
    {
        await using var host = await StartAsync(
            Kestrel(listener => listener.UseMesh().Run(async connection =>
            {
                var closing = connection.Features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested;
                await connection.Transport.Output.WriteAsync("."u8.ToArray(), Token);
                var asked = new TaskCompletionSource();
                await using var registration = closing.Register(asked.SetResult);
                await asked.Task.WaitAsync(connection.ConnectionClosed);
                await connection.Transport.Output.WriteAsync("goodbye"u8.ToArray(), Token);
            })),
            options => options.DrainTimeout = TimeSpan.FromSeconds(20));
        host.ControlPlane.Allow("web", "orders");
        await PermittedAsync(host);
        await using var connection = await RawCaller.ConnectAsync(host, "web");
        await ReadTextAsync(connection, 1);
        var since = TimeProvider.System.GetTimestamp();
        var stopping = host.StopAsync();

        Assert.Equal("goodbye", await ReadTextAsync(connection, 7));
        Assert.Equal(0, await EndOfAsync(connection));
        await stopping.Bounded();
        Assert.InRange(TimeProvider.System.GetElapsedTime(since), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact(Timeout = Limit)]
    public async Task Stop_ConnectionsThatDoNot_AreClosedWhenTheTimeToDrainIsOver()
    {
        await using var host = await StartAsync(
            Kestrel(listener => listener.UseMesh().Run(EchoAsync)), options => options.DrainTimeout = TimeSpan.FromMilliseconds(500));
        using var metrics = host.Metrics;
        host.ControlPlane.Allow("web", "orders");
        await PermittedAsync(host);
        await using var connection = await RawCaller.ConnectAsync(host, "web");
        await ReadTextAsync(connection, 3);
        var stopping = host.StopAsync();
        await Eventually.HoldsAsync(() => host.Registration.State is RegistrationState.Draining or RegistrationState.Ended);

        Assert.Equal(0, await EndOfAsync(connection));
        await stopping.Bounded();
        Assert.Contains(host.Logs.Of(109), line => line.Text.Contains("Closed 1 raw connections", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task UseMesh_NobodyProvesAnything_GetsNothing()
    {
        await using var host = await StartAsync(Kestrel(listener => listener.UseMesh().Run(EchoAsync)));
        using var plain = new TcpClient();
        await plain.ConnectAsync(IPAddress.Loopback, host.MeshPort, Token);
        await plain.GetStream().WriteAsync("SELECT 1;                       "u8.ToArray(), Token);
        Assert.Equal(0, await EndOfAsync(plain.GetStream()));
    }

    [Fact(Timeout = Limit)]
    public async Task UseMesh_InboundSwitchedOff_IsPlain()
    {
        var port = 0;
        await using var host = InboundTestHost.Create(
            build: builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listener =>
            {
                listener.UseMesh().Run(async connection =>
                {
                    port = ((IPEndPoint)connection.LocalEndPoint!).Port;
                    await connection.Transport.Output.WriteAsync("plain"u8.ToArray(), Token);
                });
            })),
            inbound: options => options.Enabled = false);
        await host.App.StartAsync(Token);
        using var plain = new TcpClient();
        await plain.ConnectAsync(IPAddress.Loopback, new Uri(host.App.Urls.Single()).Port, Token);
        Assert.Equal("plain", await ReadTextAsync(plain.GetStream(), 5));
    }

    [Fact]
    public void UseMesh_InboundSwitchedOffAndOpenToAnybody_IsRefused()
    {
        var failure = Assert.ThrowsAny<InvalidOperationException>(() => InboundTestHost.Create(
            build: builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(0, listener => listener.UseMesh().Run(EchoAsync))),
            inbound: options => options.Enabled = false));
        Assert.Contains("loopback", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, "Both")]
    [InlineData("admin", "admin", "Both")]
    [InlineData("Admin", null, "cannot be the name")]
    [InlineData("", null, "cannot be the name")]
    public void UseMesh_NamesThatDoNotWork_AreRefused(string? first, string? second, string words)
    {
        var failure = Assert.ThrowsAny<InvalidOperationException>(() => InboundTestHost.Create(build: builder => builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listener => listener.UseMesh(first).Run(EchoAsync));
            kestrel.Listen(IPAddress.Loopback, 0, listener => listener.UseMesh(second).Run(EchoAsync));
        })));
        Assert.Contains(words, failure.Message, StringComparison.Ordinal);
    }

    private static Action<WebApplicationBuilder> Kestrel(Action<ListenOptions> configure) =>
        builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, configure));

    private static Task<InboundTestHost> StartAsync(Action<WebApplicationBuilder> build, Action<MeshRegistrationOptions>? registration = null) =>
        InboundTestHost.StartAsync(build: build, registration: registration);

    // Says who is calling, and then what it hears.
    private static async Task EchoAsync(ConnectionContext connection)
    {
        var peer = connection.Features.Get<IMeshPeerFeature>()!;
        await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(peer.Service.Value), connection.ConnectionClosed);
        while (true)
        {
            var result = await connection.Transport.Input.ReadAsync(connection.ConnectionClosed);
            foreach (var part in result.Buffer)
            {
                await connection.Transport.Output.WriteAsync(part, connection.ConnectionClosed);
            }

            connection.Transport.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }

    // A change needs a moment to get here.
    private static Task PermittedAsync(InboundTestHost host, string source = "web") => Eventually.HoldsAsync(() => IsPermitted(host, source));

    private static bool IsPermitted(InboundTestHost host, string source) =>
        host.Services.GetRequiredService<InboundIntentions>().InForce?.Evaluator.EvaluateConnection(source).IsAllowed == true;

    private static async Task<string> ReadTextAsync(Stream stream, int length)
    {
        var buffer = new byte[length];
        await stream.ReadExactlyAsync(buffer, Token).AsTask().Bounded();
        return Encoding.ASCII.GetString(buffer);
    }

    // 0: an end, in order or not.
    private static async Task<int> EndOfAsync(Stream stream)
    {
        try
        {
            return await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, Token).AsTask().Bounded();
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
