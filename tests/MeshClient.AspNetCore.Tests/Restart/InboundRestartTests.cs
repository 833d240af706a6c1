using System.Net;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Restart;

/// <summary>An app that is called, restarted while its control plane is away.</summary>
public sealed class InboundRestartTests : IDisposable
{
    private const string Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mesh-state-");

    private string StatePath => Path.Combine(_directory.FullName, "orders.state");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Start_ControlPlaneAway_ServesByTheIntentionsItHadAndByNoOthers()
    {
        using var authority = new TestCertificateAuthority();
        await RunOnceAsync(authority, plane => plane.Allow("web", "orders"));
        await using var host = await InboundTestHost.StartAsync(controlPlane: Away(authority), settings: Settings());

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(host, "web"));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "ops"));
    }

    [Fact]
    public async Task Start_ControlPlaneBack_ItsIntentionsReplaceThoseOfTheFile()
    {
        using var authority = new TestCertificateAuthority();
        await RunOnceAsync(authority, plane => plane.Allow("web", "orders"));
        var plane = Away(authority);
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane, settings: Settings());
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(host, "web"));

        plane.Deny("web", "orders");
        plane.FailWith(null);

        await Eventually.HoldsAsync(async () => await StatusAsync(host, "web") == HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Start_ControlPlaneThere_TheFileIsNotGoneByForAMoment()
    {
        using var authority = new TestCertificateAuthority();
        await RunOnceAsync(authority, plane => plane.Allow("web", "orders"));
        var plane = new InMemoryControlPlane(authority);
        plane.Deny("web", "orders");
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane, settings: Settings());

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "web"));
        Assert.DoesNotContain(host.Logs.Of(45), _ => true);
    }

    [Fact]
    public async Task Start_FileWithoutIntentions_StartsClosed()
    {
        using var authority = new TestCertificateAuthority();
        await RunOnceAsync(authority, plane => plane.Allow("web", "orders"), build: services => services.AddSingleton<IIntentionSource, NoIntentions>());
        await using var host = await InboundTestHost.StartAsync(
            inbound: options =>
            {
                options.StartTimeout = TimeSpan.FromSeconds(1);
                options.DefaultAction = IntentionAction.Allow;
            },
            controlPlane: Away(authority),
            settings: Settings(),
            hasIdentity: true);

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(host, "web"));
        Assert.Single(host.Logs.Of(106));
    }

    [Fact]
    public async Task Start_FileThatWasChanged_IsAsIfThereWereNone()
    {
        using var authority = new TestCertificateAuthority();
        await RunOnceAsync(authority, plane => plane.Allow("web", "orders"));
        var content = File.ReadAllBytes(StatePath);
        content[^1] ^= 1;
        File.WriteAllBytes(StatePath, content);

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => InboundTestHost.StartAsync(
            inbound: options => options.StartTimeout = TimeSpan.FromSeconds(1), controlPlane: Away(authority), settings: Settings()));

        Assert.Contains("got no certificate", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Start_SealedByDataProtection_NeedsTheSameKeys(bool sameKeys)
    {
        using var authority = new TestCertificateAuthority();
        void Protect(IServiceCollection services)
        {
            services.AddDataProtection().SetApplicationName("orders")
                .PersistKeysToFileSystem(_directory.CreateSubdirectory(sameKeys ? "keys" : $"keys-{Guid.NewGuid():N}"));
            services.AddMeshDataProtection();
        }

        await RunOnceAsync(authority, plane => plane.Allow("web", "orders"), withKey: false, build: Protect);
        Assert.Equal(-1, File.ReadAllBytes(StatePath).AsSpan().IndexOf("Intentions"u8));
        var starting = InboundTestHost.StartAsync(
            inbound: options => options.StartTimeout = sameKeys ? options.StartTimeout : TimeSpan.FromSeconds(1),
            controlPlane: Away(authority),
            settings: Settings(withKey: false),
            build: builder => Protect(builder.Services));
        if (!sameKeys)
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => starting);
            return;
        }

        await using var host = await starting;
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(host, "web"));
    }

    private static InMemoryControlPlane Away(TestCertificateAuthority authority)
    {
        var plane = new InMemoryControlPlane(authority);
        plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));
        return plane;
    }

    private static async Task<HttpStatusCode> StatusAsync(InboundTestHost host, string caller)
    {
        using var client = host.CallerFrom(caller);
        using var answer = await client.GetAsync(new Uri("/hello", UriKind.Relative), TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private async Task RunOnceAsync(
        TestCertificateAuthority authority,
        Action<InMemoryControlPlane> prepare,
        bool withKey = true,
        Action<IServiceCollection>? build = null)
    {
        var plane = new InMemoryControlPlane(authority);
        prepare(plane);
        await using var host = await InboundTestHost.StartAsync(
            inbound: options => options.StartTimeout = TimeSpan.FromSeconds(1),
            controlPlane: plane,
            settings: Settings(withKey),
            build: builder => build?.Invoke(builder.Services),
            hasIdentity: true);
        await host.StopAsync();
    }

    private Dictionary<string, string?> Settings(bool withKey = true) => new()
    {
        ["Mesh:StateFile:Path"] = StatePath,
        ["Mesh:StateFile:IncludeCertificate"] = "true",
        ["Mesh:StateFile:Key"] = withKey ? Key : null,
    };

    /// <summary>A control plane that has never told who may call.</summary>
    private sealed class NoIntentions : IIntentionSource
    {
        public Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(Core.Naming.ServiceName destination, ulong index, CancellationToken cancellationToken) =>
            throw new ControlPlaneException(ControlPlaneFailure.Unavailable, "no leader");
    }
}
