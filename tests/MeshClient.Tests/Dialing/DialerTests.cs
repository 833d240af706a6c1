using System.Net.Security;
using System.Text;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Dialing;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Dialing;

/// <summary>Connections for other protocols than HTTP: found, balanced, healed and counted as calls are.</summary>
public sealed class DialerTests
{
    private const string Postgres = "postgres";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_MeshInstance_IsAuthenticatedBothWaysWithoutAlpn()
    {
        await using var env = new MeshTestEnvironment();
        var tls = PeerTls.For(env.Authority, Postgres);
        var agreed = new TaskCompletionSource<SslApplicationProtocol>();
        var peer = env.StartRaw(Postgres, async (stream, _, token) =>
        {
            agreed.SetResult(((SslStream)stream).NegotiatedApplicationProtocol);
            await EchoAsync(stream, token);
        }, tls);

        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        await connection.WriteAsync("hello"u8.ToArray(), Token);

        Assert.Equal("hello", await ReadTextAsync(connection, 5));
        Assert.Equal((Postgres, peer.Port), (connection.Service.Value, env.Instance(Postgres, peer.Port).Endpoint.Port));
        Assert.Equal(env.ControlPlane.Instances(ServiceName.Parse(Postgres)).Instances[0].Id, connection.InstanceId);
        Assert.EndsWith("/svc/postgres", connection.PeerId?.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("/svc/web", tls.LastCaller?.ToString(), StringComparison.Ordinal);
        Assert.Equal(default, await agreed.Task.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_ManyHeldOpen_AreSpreadAndCountedWhileTheyAreOpen()
    {
        await using var env = new MeshTestEnvironment();
        var peers = Enumerable.Range(0, 3).Select(_ => env.StartRaw(Postgres, EchoAsync)).ToList();
        var connections = new List<MeshConnection>();
        for (var i = 0; i < 30; i++)
        {
            connections.Add(await Dialer(env).ConnectAsync(Postgres, Token));
        }

        var loads = peers.ConvertAll(peer => env.Instance(Postgres, peer.Port).Load.InFlight);

        Assert.Equal(peers.ConvertAll(peer => peer.Connections), loads);
        Assert.All(loads, load => Assert.InRange(load, 1, 25));
        Assert.Equal((30, 30), (env.State(Postgres).InFlight, loads.Sum()));

        foreach (var connection in connections)
        {
            await connection.DisposeAsync();
        }

        Assert.Equal(0, env.State(Postgres).InFlight);
        Assert.All(peers, peer => Assert.Equal(0, env.Instance(Postgres, peer.Port).Load.InFlight));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_InstancesNobodyListensAt_AreLeftOutAndOthersTried()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(options => options.Defaults.Health.ConnectBackoff = TimeSpan.FromSeconds(30), services: meters.Attach);
        var closed = new[] { env.List(Postgres, RawPeer.ClosedPort()), env.List(Postgres, RawPeer.ClosedPort()) };
        var peer = env.StartRaw(Postgres, EchoAsync);

        for (var i = 0; i < 20; i++)
        {
            await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        }

        Assert.Equal(20, peer.Connections);
        Assert.All(closed, one => Assert.Equal(EjectionReason.Unreachable, env.Instance(Postgres, one.Endpoints[0].Port).Ejection.Reason));
        Assert.Equal(2, meters.Of("meshclient.retries").Sum(one => one.Value));
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_NobodyListens_SaysWhichServiceInstanceAndStage()
    {
        await using var env = new MeshTestEnvironment();
        for (var i = 0; i < 4; i++)
        {
            env.List(Postgres, RawPeer.ClosedPort());
        }

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));

        Assert.Equal((MeshFailureReason.ConnectFailed, Postgres, "Transport", 3), (failure.Reason, failure.Service, failure.Stage, failure.Attempts));
        Assert.NotNull(failure.Instance);
        Assert.Contains("Connection refused", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_BudgetSpent_IsNotTriedAgain()
    {
        await using var env = new MeshTestEnvironment(options => (options.Defaults.RetryBudgetRatio, options.Defaults.RetryBudgetPerSecond) = (0, 0));
        env.List(Postgres, RawPeer.ClosedPort());
        env.List(Postgres, RawPeer.ClosedPort());

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));

        Assert.Equal((MeshFailureReason.RetryBudgetExhausted, 1), (failure.Reason, failure.Attempts));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_InstanceIsAnotherService_IsRefusedAndAnotherTried()
    {
        await using var env = new MeshTestEnvironment();
        var stranger = env.StartRaw(Postgres, EchoAsync, PeerTls.For(env.Authority, "mysql"));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));
        Assert.Equal(MeshFailureReason.PeerRefused, failure.Reason);

        var peer = env.StartRaw(Postgres, EchoAsync);
        await Eventually.HoldsAsync(() => env.State(Postgres).Snapshot!.Instances.Count == 2);
        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);

        Assert.Equal(1, peer.Connections);
        Assert.Equal(EjectionReason.IdentityRefused, env.Instance(Postgres, stranger.Port).Ejection.Reason);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_InstanceThatNeverAnswersTheHandshake_CostsTheConnectTimeoutAndNoMore()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.ConnectTimeout = TimeSpan.FromMilliseconds(300));
        var mute = env.Own(RawPeer.Start((_, _, token) => RawPeer.StayAsync(token)));
        env.List(Postgres, mute.Port);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));

        Assert.Equal(MeshFailureReason.ConnectFailed, failure.Reason);
        Assert.Contains("No connection to 127.0.0.1", failure.Message, StringComparison.Ordinal);
        Assert.Equal(EjectionReason.Unreachable, env.Instance(Postgres, mute.Port).Ejection.Reason);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_AmbientDeadlineIsOver_GivesUp()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        var mute = env.Own(RawPeer.Start((_, _, token) => RawPeer.StayAsync(token)));
        env.List(Postgres, mute.Port);
        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(1), time);
        var connecting = Dialer(env).ConnectAsync(Postgres, Token);
        await Eventually.HoldsAsync(() => mute.Connections == 1);

        time.Advance(TimeSpan.FromSeconds(1));

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => connecting.BoundedAsync());

        Assert.Equal((MeshFailureReason.DeadlineExceeded, "Deadline"), (failure.Reason, failure.Stage));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_Cancelled_IsNoFailureOfTheInstance()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.ConnectTimeout = TimeSpan.FromSeconds(30));
        var mute = env.Own(RawPeer.Start((_, _, token) => RawPeer.StayAsync(token)));
        env.List(Postgres, mute.Port);
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var connecting = Dialer(env).ConnectAsync(Postgres, giveUp.Token);
        await Eventually.HoldsAsync(() => mute.Connections == 1);

        await giveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.BoundedAsync());
        Assert.Equal(EjectionReason.None, env.Instance(Postgres, mute.Port).Ejection.Reason);
        Assert.Equal(0, env.State(Postgres).InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_UnknownService_SaysSo()
    {
        await using var env = new MeshTestEnvironment();
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync("nobody", Token));
        Assert.Equal((MeshFailureReason.NoInstances, "Discovery"), (failure.Reason, failure.Stage));
        Assert.Contains("No instance of 'nobody' is known", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("postgres:5432")]
    [InlineData("127.0.0.1")]
    [InlineData("https://postgres")]
    [InlineData("postgres/db")]
    [InlineData("localhost")]
    [InlineData("a b")]
    public async Task ConnectAsync_NoServiceName_IsRefused(string name)
    {
        await using var env = new MeshTestEnvironment();
        var failure = await Assert.ThrowsAsync<ArgumentException>(() => Dialer(env).ConnectAsync(name, Token));
        Assert.Contains("is not the name of a service", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_MoreThanMaxConcurrency_IsRefusedUntilOneIsClosed()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxConcurrency = 1);
        env.StartRaw(Postgres, EchoAsync);
        var first = await Dialer(env).ConnectAsync(Postgres, Token);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));
        Assert.Equal(MeshFailureReason.Overloaded, failure.Reason);

        await first.DisposeAsync();

        await using var second = await Dialer(env).ConnectAsync(Postgres, Token);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_ServiceIsolatedByHand_IsRefused()
    {
        await using var env = new MeshTestEnvironment();
        env.StartRaw(Postgres, EchoAsync);
        await env.Services.GetRequiredService<MeshCircuitBreakers>().IsolateAsync(Postgres, Token);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));
        Assert.Equal(MeshFailureReason.CircuitOpen, failure.Reason);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_Fallback_DoesNotAnswer()
    {
        await using var env = new MeshTestEnvironment(options =>
            options.Defaults.Fallback = _ => new ValueTask<HttpResponseMessage?>(new HttpResponseMessage()));
        env.List(Postgres, RawPeer.ClosedPort());
        await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_SlowHandshakeAndHedging_TakesTheFasterAndClosesTheOther()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.Hedging.Enabled = true;
            options.Defaults.Hedging.Delay = TimeSpan.FromMilliseconds(50);
            options.Defaults.ConnectTimeout = TimeSpan.FromSeconds(30);
        });
        var (gone, calls) = (0, 0);
        var slow = env.Own(RawPeer.Start(async (stream, _, token) =>
        {
            // Takes what is sent until the client hangs up.
            await stream.CopyToAsync(Stream.Null, token);
            Interlocked.Increment(ref gone);
        }));
        env.List(Postgres, slow.Port);
        var fast = env.StartRaw(Postgres, EchoAsync);
        for (; calls < 20 && slow.Connections == 0; calls++)
        {
            await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
            Assert.EndsWith($"-{fast.Port}", connection.InstanceId.Value, StringComparison.Ordinal);
        }

        // What has been accepted may be noticed a call later.
        Assert.InRange(slow.Connections, 1, calls);
        await Eventually.HoldsAsync(() => Volatile.Read(ref gone) == slow.Connections);
        await Eventually.HoldsAsync(() => env.State(Postgres).InFlight == 0 && env.Instance(Postgres, slow.Port).Load.InFlight == 0);
        Assert.InRange(slow.Connections, 1, calls);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_PlaintextInstance_OnlyWhereThatIsAllowed()
    {
        await using (var env = new MeshTestEnvironment())
        {
            env.List(Postgres, RawPeer.ClosedPort(), InstanceSecurity.Plaintext);
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => Dialer(env).ConnectAsync(Postgres, Token));
            Assert.Equal(MeshFailureReason.NoInstances, failure.Reason);
            Assert.Contains("AllowPlaintext", failure.Message, StringComparison.Ordinal);
        }

        await using (var env = new MeshTestEnvironment(options => options.Defaults.AllowPlaintext = true))
        {
            var peer = env.Own(RawPeer.Start(async (stream, _, token) =>
            {
                using var all = new MemoryStream();
                await stream.CopyToAsync(all, token);
                await stream.WriteAsync(all.ToArray(), token);
            }));
            env.List(Postgres, peer.Port, InstanceSecurity.Plaintext);
            await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
            await connection.WriteAsync("plain"u8.ToArray(), Token);
            await connection.CloseWriteAsync(Token);

            Assert.Null(connection.PeerId);
            Assert.Equal("plain", await ReadTextAsync(connection, 5));
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ConnectAsync_AfterARenewal_ShowsTheNewCertificateAndLeavesOpenOnesAlone()
    {
        await using var env = new MeshTestEnvironment();
        var tls = PeerTls.For(env.Authority, Postgres);
        env.StartRaw(Postgres, EchoAsync, tls);
        await using var before = await Dialer(env).ConnectAsync(Postgres, Token);
        await before.WriteAsync("a"u8.ToArray(), Token);
        await ReadTextAsync(before, 1);
        var serial = tls.LastCallerSerial;

        env.ControlPlane.RenewLeaves();
        await Eventually.HoldsAsync(() => env.Identity.Current!.Leaf.Certificate.SerialNumber != serial);
        await using var after = await Dialer(env).ConnectAsync(Postgres, Token);
        await after.WriteAsync("b"u8.ToArray(), Token);
        await ReadTextAsync(after, 1);

        Assert.NotEqual(serial, tls.LastCallerSerial);
        await before.WriteAsync("c"u8.ToArray(), Token);
        Assert.Equal("c", await ReadTextAsync(before, 1));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Metrics_OfConnections_TellNumberBytesAndDuration()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        env.StartRaw(Postgres, EchoAsync);
        var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        await connection.WriteAsync(new byte[1000], Token);
        await connection.ReadExactlyAsync(new byte[1000], Token);

        Assert.Equal(1, Assert.Single(meters.Observe("meshclient.connections.active")).Value);
        await connection.DisposeAsync();

        Assert.Equal(0, Assert.Single(meters.Observe("meshclient.connections.active")).Value);
        Assert.Equal(1, Assert.Single(meters.Observe("meshclient.connections")).Value);
        Assert.Equal(
            [("transmit", 1000d), ("receive", 1000d)],
            meters.Observe("meshclient.connection.io").Select(one => ((string)one.Tag("network.io.direction")!, one.Value)));
        var duration = Assert.Single(meters.Of("meshclient.connection.duration"));
        Assert.Equal((Postgres, "success"), (duration.Tag("meshclient.service"), duration.Tag("meshclient.outcome")));
        Assert.Equal("CONNECT", Assert.Single(meters.Of("meshclient.call.duration")).Tag("http.request.method"));
    }

    private static IMeshDialer Dialer(MeshTestEnvironment env) => env.Services.GetRequiredService<IMeshDialer>();

    private static Task EchoAsync(Stream stream, int number, CancellationToken token) => EchoAsync(stream, token);

    private static async Task EchoAsync(Stream stream, CancellationToken token)
    {
        var buffer = new byte[4096];
        while (await stream.ReadAsync(buffer, token) is > 0 and var read)
        {
            await stream.WriteAsync(buffer.AsMemory(0, read), token);
        }
    }

    private static async Task<string> ReadTextAsync(Stream stream, int length)
    {
        var buffer = new byte[length];
        await stream.ReadExactlyAsync(buffer, Token);
        return Encoding.ASCII.GetString(buffer);
    }
}
