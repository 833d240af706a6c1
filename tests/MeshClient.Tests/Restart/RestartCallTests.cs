using System.Security.Cryptography.X509Certificates;
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

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("ours.test", true)]
    [InlineData("theirs.test", false)]
    public async Task Call_IdentityInFiles_StateFileIsOfTheirTrustDomain(string domainLater, bool isServed)
    {
        using var ours = new TestCertificateAuthority("ours.test");
        using var plane = new InMemoryControlPlane(ours);
        await using var first = StartWithFiles(ours, plane);
        var peer = first.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("served"), PeerTls.For(ours, "orders")));
        plane.AddInstance(Core.Naming.ServiceName.Parse("orders"), "127.0.0.1", peer.Port);
        Assert.Equal("served", await CallAsync(first));
        await first.Services.DisposeAsync();
        Assert.Equal("ours.test", _fixture.Read().TrustDomain);

        BeAway(plane, isSilent: false);
        using var theirs = new TestCertificateAuthority("theirs.test");
        await using var second = StartWithFiles(domainLater == "ours.test" ? ours : theirs, plane);

        if (isServed)
        {
            Assert.Equal("served", await CallAsync(second));
        }
        else
        {
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => CallAsync(second));
        }

        Assert.Equal(isServed ? 0 : 1, second.Logs.Lines.Count(line => line.Event.Id == 42 && line.Text.Contains("theirs.test", StringComparison.Ordinal)));
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

    private MeshTestEnvironment StartWithFiles(TestCertificateAuthority authority, InMemoryControlPlane plane)
    {
        var leaf = authority.IssueLeaf(Core.Naming.ServiceName.Parse(MeshTestEnvironment.Self));
        using var key = leaf.Certificate.GetECDsaPrivateKey()!;
        var pem = key.ExportPkcs8PrivateKeyPem();
        var folder = Path.GetDirectoryName(_fixture.Path)!;
        string Write(string name, string text)
        {
            var file = Path.Combine(folder, name);
            File.WriteAllText(file, text);
            return file;
        }

        return new MeshTestEnvironment(
            options =>
            {
                options.StateFile.Path = _fixture.Path;
                options.StateFile.Key = StateFileFixture.Key;
                options.Identity.CertificateFile = Write("tls.crt", leaf.Certificate.ExportCertificatePem());
                options.Identity.PrivateKeyFile = Write("tls.key", pem);
                options.Identity.RootsFile = Write("ca.crt", authority.Bundle.Roots[0].ExportCertificatePem());
            },
            withControlPlane: false,
            services: services => services.AddSingleton<IInstanceSource>(plane));
    }

    private MeshTestEnvironment Start(InMemoryControlPlane? plane = null, MetricRecorder? metrics = null, bool includeCertificate = true) => new(
        options =>
        {
            options.StateFile.Path = _fixture.Path;
            options.StateFile.Key = StateFileFixture.Key;
            options.StateFile.IncludeCertificate = includeCertificate;
            // A silent control plane is waited for twice, for the instances and then for the certificate; without one there is no use in it.
            options.DiscoveryTimeout = TimeSpan.FromSeconds(includeCertificate ? 30 : 5);
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
