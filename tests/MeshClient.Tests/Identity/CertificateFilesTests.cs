using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Identity;

/// <summary>Certificates in files, as cert-manager writes them into a mounted volume.</summary>
public sealed class CertificateFilesTests : IDisposable
{
    private static readonly ServiceName Web = ServiceName.Parse("web");
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly DirectoryInfo _volume = Directory.CreateTempSubdirectory("mesh-identity-");
    private readonly FakeTimeProvider _time = new();
    private readonly TestCertificateAuthority _authority = new();
    private int _swaps;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string CertificateFile => Path.Combine(_volume.FullName, "tls.crt");

    private string KeyFile => Path.Combine(_volume.FullName, "tls.key");

    private string RootsFile => Path.Combine(_volume.FullName, "ca.crt");

    public void Dispose()
    {
        _authority.Dispose();
        _volume.Delete(recursive: true);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadLeaf_LinksSwapped_GivesTheNewPairAtTheNextLook()
    {
        using var first = Mount();
        using var second = _authority.IssueLeaf(Web);
        var source = Leaves();
        var read = await source.ReadLeafAsync(Web, 0, Token);
        Assert.Equal(first, read.Value);
        var next = source.ReadLeafAsync(Web, read.Index, Token);
        _time.Advance(Interval);
        Assert.False(next.IsCompleted);

        Swap(second);
        _time.Advance(Interval);
        var renewed = await next.BoundedAsync();
        Assert.Equal(second, renewed.Value);
        Assert.True(renewed.Value.Certificate.HasPrivateKey);
        Assert.NotEqual(read.Index, renewed.Index);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadLeaf_OneFileForBoth_IsTaken()
    {
        using var leaf = _authority.IssueLeaf(Web);
        await File.WriteAllTextAsync(CertificateFile, KeyOf(leaf) + "\n" + ChainOf(leaf), Token);
        using var read = (await new FileLeafSource(CertificateFile, CertificateFile, Interval, _time).ReadLeafAsync(Web, 0, Token)).Value;
        Assert.Equal(leaf, read);
        Assert.True(read.Certificate.HasPrivateKey);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("certificate first")]
    [InlineData("key first")]
    [InlineData("cut short")]
    [InlineData("gone for a moment")]
    public async Task ReadLeaf_HalfWritten_IsIgnoredUntilItIsAPair(string how)
    {
        using var first = Mount(links: false);
        using var second = _authority.IssueLeaf(Web);
        var source = Leaves();
        var read = await source.ReadLeafAsync(Web, 0, Token);
        var next = source.ReadLeafAsync(Web, read.Index, Token);
        switch (how)
        {
            case "certificate first":
                await File.WriteAllTextAsync(CertificateFile, ChainOf(second), Token);
                break;
            case "key first":
                await File.WriteAllTextAsync(KeyFile, KeyOf(second), Token);
                break;
            case "cut short":
                await File.WriteAllTextAsync(CertificateFile, ChainOf(second)[..200], Token);
                break;
            default:
                File.Delete(KeyFile);
                break;
        }

        _time.Advance(Interval);
        // It has looked.
        await Eventually.HoldsAsync(() => _time.ActiveTimers == 1);
        Assert.False(next.IsCompleted);
        await File.WriteAllTextAsync(CertificateFile, ChainOf(second), Token);
        await File.WriteAllTextAsync(KeyFile, KeyOf(second), Token);
        _time.Advance(Interval);
        Assert.Equal(second, (await next.BoundedAsync()).Value);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("not PEM")]
    [InlineData("other key")]
    [InlineData("other service")]
    [InlineData("gone")]
    [InlineData("no SPIFFE id")]
    public async Task ReadLeaf_BadFilesThatStay_AreReportedWithoutWhatIsInThem(string how)
    {
        using var first = Mount(links: false);
        using var second = _authority.IssueLeaf(how == "other service" ? ServiceName.Parse("orders") : Web);
        using var flawed = _authority.IssueFlawed(Web, LeafFlaw.NoName);
        var source = Leaves();
        var read = await source.ReadLeafAsync(Web, 0, Token);
        var next = source.ReadLeafAsync(Web, read.Index, Token);
        await File.WriteAllTextAsync(
            CertificateFile, how == "not PEM" ? "nothing" : how == "no SPIFFE id" ? flawed.Certificate.ExportCertificatePem() : ChainOf(second), Token);
        await File.WriteAllTextAsync(KeyFile, how == "other key" ? KeyOf(first) : KeyOf(second), Token);
        if (how == "gone")
        {
            File.Delete(KeyFile);
        }

        _time.Advance(Interval);
        Assert.False(next.IsCompleted);
        await Eventually.HoldsAsync(() => _time.ActiveTimers == 1);
        _time.Advance(Interval);
        var failure = await Assert.ThrowsAsync<ControlPlaneException>(() => next.BoundedAsync());
        Assert.Contains("tls.key", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(KeyOf(second)[40..60], failure.ToString(), StringComparison.Ordinal);

        // The watch begins again, and is told at once as long as they are bad.
        await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadLeafAsync(Web, 0, Token));
        await File.WriteAllTextAsync(CertificateFile, ChainOf(first), Token);
        await File.WriteAllTextAsync(KeyFile, KeyOf(first), Token);
        Assert.Equal(first, (await source.ReadLeafAsync(Web, 0, Token)).Value);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadTrustBundle_RootAdded_TakesTheTrustDomainOfTheLeaf()
    {
        using var leaf = Mount(links: false);
        var source = new FileTrustBundleSource(RootsFile, () => FileTrustBundleSource.ReadTrustDomain(CertificateFile), Interval, _time);
        var read = await source.ReadTrustBundleAsync(0, Token);
        Assert.Equal(_authority.TrustDomain, read.Value.TrustDomain);
        Assert.Single(read.Value.Roots);
        var next = source.ReadTrustBundleAsync(read.Index, Token);
        _authority.Rotate();
        // An intermediate among them is no root.
        using var under = _authority.Issue(LeafBlueprint.For(_authority.IdOf(Web)) with { Signer = LeafSigner.Intermediate });
        await File.WriteAllTextAsync(RootsFile, RootsOf(_authority.Bundle) + under.Intermediates[0].ExportCertificatePem(), Token);
        _time.Advance(Interval);
        Assert.Equal(2, (await next.BoundedAsync()).Value.Roots.Count);

        await File.WriteAllTextAsync(RootsFile, under.Intermediates[0].ExportCertificatePem(), Token);
        await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadTrustBundleAsync(0, Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_IdentityInFiles_IsUsedAndRenewedUnderLoad()
    {
        using var first = Mount();
        await using var env = new MeshTestEnvironment(
            options =>
            {
                options.Identity.CertificateFile = CertificateFile;
                options.Identity.PrivateKeyFile = KeyFile;
                options.Identity.RootsFile = RootsFile;
                options.Identity.FileInterval = TimeSpan.FromMilliseconds(100);
            },
            withControlPlane: false,
            services: services => services.AddSingleton<IInstanceSource>(provider => new InMemoryControlPlane(_authority)));
        var plane = (InMemoryControlPlane)env.Services.GetRequiredService<IInstanceSource>();
        var peer = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(_authority, "orders")));
        plane.AddInstance(ServiceName.Parse("orders"), "127.0.0.1", peer.Port, InstanceSecurity.Mesh);
        await using var load = Load.Start(3, async token => Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", token)));
        await load.MakeAsync(20);
        for (var i = 0; i < 5; i++)
        {
            using var next = _authority.IssueLeaf(Web);
            Swap(next);
            await Eventually.HoldsAsync(() => peer.Tls!.LastCallerSerial == next.Certificate.SerialNumber, "connections with the new leaf");
        }

        Assert.InRange(await load.StopAsync(), 20, int.MaxValue);
    }

    [Fact]
    public void Validate_FilesInPart_IsRefused()
    {
        var options = new MeshOptions();
        options.Identity.CertificateFile = "/tls.crt";
        options.Identity.SigningRequests = SigningRequestUse.Always;
        options.Identity.KeyType = (LeafKeyType)9;
        options.Identity.FileInterval = TimeSpan.Zero;
        options.Identity.ClockAllowance = TimeSpan.FromMinutes(2);
        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();
        Assert.Equal(5, failures.Count);
        Assert.Contains(failures, failure => failure.Contains("go together", StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_FilesEmptyRatherThanUnset_IsRefused()
    {
        var options = new MeshOptions();
        (options.Identity.CertificateFile, options.Identity.PrivateKeyFile, options.Identity.RootsFile) = (string.Empty, string.Empty, string.Empty);
        var failure = Assert.Single(new MeshOptionsValidator().Validate(null, options).Failures!);
        Assert.Contains("go together", failure, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_OwnTrustDomainAmongTheOthers_IsRefused()
    {
        using var leaf = Mount(links: false);
        var options = new MeshOptions();
        (options.Identity.CertificateFile, options.Identity.PrivateKeyFile, options.Identity.RootsFile) = (CertificateFile, KeyFile, RootsFile);
        options.Identity.TrustDomains[_authority.Bundle.TrustDomain.ToUpperInvariant()] = new MeshTrustDomainOptions { RootsFile = RootsFile };
        var failure = Assert.Single(new MeshOptionsValidator().Validate(null, options).Failures!);
        Assert.Contains("own trust domain", failure, StringComparison.Ordinal);

        // There is nothing to compare with as long as the file is not there.
        File.Delete(CertificateFile);
        Assert.True(new MeshOptionsValidator().Validate(null, options).Succeeded);
    }

    private FileLeafSource Leaves() => new(CertificateFile, KeyFile, Interval, _time);

    private static string ChainOf(LeafCertificate leaf) =>
        string.Concat(leaf.Intermediates.Prepend(leaf.Certificate).Select(one => one.ExportCertificatePem() + "\n"));

    private static string KeyOf(LeafCertificate leaf)
    {
        using var key = leaf.Certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKeyPem();
    }

    private static string RootsOf(TrustBundle bundle) => string.Concat(bundle.Roots.Select(root => root.ExportCertificatePem() + "\n"));

    private LeafCertificate Mount(bool links = true)
    {
        var leaf = _authority.IssueLeaf(Web);
        if (links)
        {
            Swap(leaf);
            foreach (var file in (string[])["tls.crt", "tls.key", "ca.crt"])
            {
                File.CreateSymbolicLink(Path.Combine(_volume.FullName, file), Path.Combine("..data", file));
            }
        }
        else
        {
            Write(_volume.FullName, leaf);
        }

        return leaf;
    }

    // As Kubernetes does: a new directory, and a link to it that is exchanged in one step.
    private void Swap(LeafCertificate leaf)
    {
        var generation = $"..generation-{++_swaps}";
        var folder = Directory.CreateDirectory(Path.Combine(_volume.FullName, generation)).FullName;
        Write(folder, leaf);
        var link = Path.Combine(_volume.FullName, "..data-new");
        Directory.CreateSymbolicLink(link, generation);
        using var move = Process.Start("mv", ["-T", link, Path.Combine(_volume.FullName, "..data")]);
        move.WaitForExit();
        Assert.Equal(0, move.ExitCode);
    }

    private void Write(string folder, LeafCertificate leaf)
    {
        File.WriteAllText(Path.Combine(folder, "tls.crt"), ChainOf(leaf));
        File.WriteAllText(Path.Combine(folder, "tls.key"), KeyOf(leaf));
        File.WriteAllText(Path.Combine(folder, "ca.crt"), RootsOf(_authority.Bundle));
    }
}
