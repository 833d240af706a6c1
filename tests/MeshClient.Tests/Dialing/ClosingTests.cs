using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Dialing;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Dialing;

/// <summary>Word that a connection is to be ended. Real sockets, a clock turned by hand.</summary>
public sealed class ClosingTests
{
    private const string Postgres = "postgres";
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Closing_CertificateComesToItsEnd_IsCancelledInTime(bool userFails)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        using var metrics = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options => options.WatchIdleTimeout = TimeSpan.FromDays(1),
            services: services =>
            {
                services.AddSingleton<TimeProvider>(time);
                metrics.Attach(services);
            });
        var life = TimeSpan.FromMinutes(30);
        var leaf = env.Authority.IssueLeaf(ServiceName.Parse(Postgres), lifetime: life);
        env.StartRaw(Postgres, EchoAsync, new PeerTls(env.Authority, leaf.Certificate, leaf.Intermediates));
        await using var told = await Dialer(env).ConnectAsync(Postgres, Token);
        await using var deaf = await Dialer(env).ConnectAsync(Postgres, Token);
        var closing = told.Closing;
        var calls = 0;
        await using var registration = closing.Register(() =>
        {
            calls++;
            _ = userFails ? throw new InvalidOperationException("The app's own.") : 0;
        });

        time.Advance(leaf.NotAfter - (life * 0.1) - time.GetUtcNow() - Second);
        Assert.False(closing.IsCancellationRequested);
        time.Advance((life * 0.05) + (2 * Second));
        Assert.True(closing.IsCancellationRequested);
        Assert.Equal(1, calls);
        Assert.True(deaf.Closing.IsCancellationRequested);
        Assert.Equal(userFails ? 1 : 0, env.Logs.Lines.Count(line => line.Event.Id == 22));

        // Nothing has become of them, and drained is only the one somebody has listened to.
        foreach (var connection in (MeshConnection[])[told, deaf])
        {
            await connection.WriteAsync("."u8.ToArray(), Token);
            await connection.ReadExactlyAsync(new byte[1], Token).AsTask().BoundedAsync();
        }

        Assert.Equal("drained", Assert.Single(metrics.Of("meshclient.identity.connections_ended")).Tag("meshclient.outcome"));

        time.Advance(leaf.NotAfter + MeshDefaults.ExpiryGrace - time.GetUtcNow() + Second);
        var failure = await Assert.ThrowsAsync<IOException>(() => told.ReadExactlyAsync(new byte[1], Token).AsTask().BoundedAsync());
        Assert.Contains("the peer's certificate", failure.Message, StringComparison.Ordinal);
        Assert.Equal(1, calls);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Closing_ConnectionOutsideTheMesh_IsNeverCancelled()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.AllowPlaintext = true);
        var peer = env.Own(RawPeer.Start(EchoAsync));
        env.List(Postgres, peer.Port, InstanceSecurity.Plaintext);
        await using var connection = await Dialer(env).ConnectAsync(Postgres, Token);
        Assert.False(connection.Closing.CanBeCanceled);
    }

    private static IMeshDialer Dialer(MeshTestEnvironment env) => env.Services.GetRequiredService<IMeshDialer>();

    private static Task EchoAsync(Stream stream, int number, CancellationToken token) => stream.CopyToAsync(stream, token);
}
