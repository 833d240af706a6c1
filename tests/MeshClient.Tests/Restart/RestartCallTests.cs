using MeshClient.Core.ControlPlane;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Restart;

/// <summary>An app that calls, restarted while its control plane is away.</summary>
public sealed class RestartCallTests : IDisposable
{
    private readonly StateFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_RestartedWithTheControlPlaneAway_GoesOnOverMutualTls(bool isSilent)
    {
        await using var first = Start();
        await first.StartAsync("orders", context => context.Response.WriteAsync("served"));
        Assert.Equal("served", await CallAsync(first));
        await first.Services.DisposeAsync();

        using var away = new InMemoryControlPlane();
        BeAway(away, isSilent);
        using var metrics = new MetricRecorder();
        await using var second = Start(away, metrics);

        Assert.Equal("served", await CallAsync(second));
        var ages = metrics.Observe("meshclient.state_file.age").Select(one => one.Tag("meshclient.state_file.part")).ToHashSet();
        Assert.Superset(new HashSet<object?> { "Instances", "TrustBundle", "Leaf" }, ages);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ControlPlaneComesBack_ItsWordHoldsAtOnce()
    {
        await using var first = Start();
        await first.StartAsync("orders", context => context.Response.WriteAsync("old"));
        Assert.Equal("old", await CallAsync(first));
        await first.Services.DisposeAsync();

        using var away = new InMemoryControlPlane(first.Authority);
        BeAway(away, isSilent: false);
        await using var second = Start(away);
        Assert.Equal("old", await CallAsync(second));

        var moved = second.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("new"), PeerTls.For(first.Authority, "orders")));
        away.AddInstance(Core.Naming.ServiceName.Parse("orders"), "127.0.0.1", moved.Port);
        away.FailWith(null);

        await Eventually.HoldsAsync(async () => await CallAsync(second) == "new");
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_RestartedWithoutTheCertificate_HasNoIdentity()
    {
        await using var first = Start(includeCertificate: false);
        await first.StartAsync("orders", context => context.Response.WriteAsync("served"));
        Assert.Equal("served", await CallAsync(first));
        await first.Services.DisposeAsync();

        using var away = new InMemoryControlPlane();
        BeAway(away, isSilent: false);
        await using var second = Start(away, includeCertificate: false);

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => CallAsync(second));
    }

    private static void BeAway(InMemoryControlPlane plane, bool isSilent)
    {
        if (isSilent)
        {
            plane.Stall();
        }
        else
        {
            plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));
        }
    }

    private static Task<string> CallAsync(MeshTestEnvironment app) =>
        app.Client().GetStringAsync(new Uri("https://orders/"), MeshTestEnvironment.Token);

    private MeshTestEnvironment Start(InMemoryControlPlane? plane = null, MetricRecorder? metrics = null, bool includeCertificate = true) => new(
        options =>
        {
            options.StateFile.Path = _fixture.Path;
            options.StateFile.Key = StateFileFixture.Key;
            options.StateFile.IncludeCertificate = includeCertificate;
        },
        services: services =>
        {
            metrics?.Attach(services);
            if (plane is not null)
            {
                services.AddSingleton<IInstanceSource>(plane);
                services.AddSingleton<ILeafCertificateSource>(plane);
                services.AddSingleton<ITrustBundleSource>(plane);
            }
        });
}
