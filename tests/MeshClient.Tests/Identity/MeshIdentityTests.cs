using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Identity;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.Transport;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Identity;

public sealed class MeshIdentityTests : IAsyncDisposable
{
    private readonly TestCertificateAuthority _authority = new();
    private readonly Source _source = new();
    private readonly MeshRandom _random = new(1);
    private readonly MeshIdentity _identity;

    public MeshIdentityTests() => _identity = new MeshIdentity(
        TestInstances.Service,
        _source,
        _source,
        new WatchRunner(TimeProvider.System, _random, NullLogger<WatchRunner>.Instance),
        NullLogger<MeshIdentity>.Instance);

    public async ValueTask DisposeAsync()
    {
        await _identity.DisposeAsync();
        _authority.Dispose();
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Update_UnusableLeaf_IsRefusedAndNewRootsStillCount(bool isFirst)
    {
        var good = _authority.IssueLeaf(TestInstances.Service);
        var bad = _authority.IssueLeaf(TestInstances.Service);
        bad.Dispose();
        using var other = new TestCertificateAuthority();
        var waiting = _identity.GetAsync(TestContext.Current.CancellationToken).AsTask();
        if (isFirst)
        {
            _source.Leaves.Writer.TryWrite(bad);
            await Eventually.HoldsAsync(() => _identity.LastFailure?.Message is not null);
            _source.Bundles.Writer.TryWrite(CopyOf(_authority.Bundle));
            _source.Leaves.Writer.TryWrite(good);
            Assert.Same(good, (await waiting.BoundedAsync()).Leaf);
            return;
        }

        _source.Leaves.Writer.TryWrite(good);
        _source.Bundles.Writer.TryWrite(CopyOf(_authority.Bundle));
        await waiting.BoundedAsync();
        _source.Leaves.Writer.TryWrite(bad);
        await Eventually.HoldsAsync(() => _identity.LastFailure?.Message is not null);
        _source.Bundles.Writer.TryWrite(CopyOf(other.Bundle));
        await Eventually.HoldsAsync(() => other.Bundle.Equals(_identity.Current!.Bundle));
        Assert.Same(good, _identity.Current!.Leaf);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task DisposeAsync_LastLeafAndRoots_AreFreed()
    {
        var (leaf, bundle) = (_authority.IssueLeaf(TestInstances.Service), CopyOf(_authority.Bundle));
        await GetAsync(leaf, bundle);
        await _identity.DisposeAsync();
        Assert.Equal(IntPtr.Zero, leaf.Certificate.Handle);
        Assert.All(bundle.Roots, root => Assert.Equal(IntPtr.Zero, root.Handle));
        Assert.True(leaf.NotAfter > leaf.NotBefore);
        Assert.Null(_identity.Current);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Changed_Renewal_ReplacesOnlyConnectionsThatCarryTheCertificate()
    {
        using var factory = new TransportFactory(
            _identity, TimeSpan.Zero, TimeProvider.System, _random, NullLogger<TransportFactory>.Instance, _ => new HttpClientHandler());
        var transports = Enum.GetValues<InstanceSecurity>().ToDictionary(security => security, security =>
        {
            var endpoint = new InstanceEndpoint(null, "127.0.0.1", 9, security);
            return new InstanceTransport(factory, TestInstances.Describe(endpoints: endpoint), endpoint, TimeSpan.FromSeconds(1), new InstanceVitals(1));
        });
        await GetAsync(_authority.IssueLeaf(TestInstances.Service), CopyOf(_authority.Bundle));
        var before = transports.ToDictionary(pair => pair.Key, pair => Pool(pair.Value));
        _source.Leaves.Writer.TryWrite(_authority.IssueLeaf(TestInstances.Service));
        await Eventually.HoldsAsync(() => Pool(transports[InstanceSecurity.Mesh]) != before[InstanceSecurity.Mesh]);
        Assert.Same(before[InstanceSecurity.Tls], Pool(transports[InstanceSecurity.Tls]));
        Assert.Same(before[InstanceSecurity.Plaintext], Pool(transports[InstanceSecurity.Plaintext]));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Changed_RootsOnly_ReplacesNoConnections()
    {
        var time = new FakeTimeProvider();
        using var factory = new TransportFactory(
            _identity, TimeSpan.FromSeconds(10), time, _random, NullLogger<TransportFactory>.Instance, _ => new HttpClientHandler());
        var endpoint = new InstanceEndpoint(null, "127.0.0.1", 9, InstanceSecurity.Mesh);
        var transport = new InstanceTransport(
            factory, TestInstances.Describe(endpoints: endpoint), endpoint, TimeSpan.FromSeconds(1), new InstanceVitals(1));
        // After the factory, which therefore has heard of it when this has.
        using var told = new SemaphoreSlim(0);
        _identity.Changed += _ => told.Release();
        await GetAsync(_authority.IssueLeaf(TestInstances.Service), CopyOf(_authority.Bundle));
        await told.WaitAsync(TestContext.Current.CancellationToken).BoundedAsync();
        var before = Pool(transport);

        _authority.Rotate();
        _source.Bundles.Writer.TryWrite(CopyOf(_authority.Bundle));
        await told.WaitAsync(TestContext.Current.CancellationToken).BoundedAsync();
        Assert.Equal(0, time.ActiveTimers);

        _source.Leaves.Writer.TryWrite(_authority.IssueLeaf(TestInstances.Service));
        await told.WaitAsync(TestContext.Current.CancellationToken).BoundedAsync();
        Assert.Equal(1, time.ActiveTimers);
        Assert.Same(before, Pool(transport));
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.NotSame(before, Pool(transport));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_RootsOfAnotherTrustDomain_AreLookedAtFirst()
    {
        using var partner = new TestCertificateAuthority("partner.test");
        var roots = new Source();
        await using var identity = With("partner.test", roots);
        var waiting = identity.GetAsync(TestContext.Current.CancellationToken).AsTask();
        _source.Leaves.Writer.TryWrite(_authority.IssueLeaf(TestInstances.Service));
        _source.Bundles.Writer.TryWrite(CopyOf(_authority.Bundle));
        await Eventually.HoldsAsync(() => _source.Bundles.Reader.Count == 0 && _source.Leaves.Reader.Count == 0);
        Assert.False(waiting.IsCompleted);
        Assert.Null(identity.Current);

        roots.Bundles.Writer.TryWrite(CopyOf(partner.Bundle));

        Assert.Equal(partner.Bundle, (await waiting.BoundedAsync()).FindBundle("partner.test"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_RootsOfAnotherTrustDomainCannotBeRead_GoesOnWithoutThem()
    {
        using var partner = new TestCertificateAuthority("partner.test");
        var roots = new Source { Failure = new IOException("The volume is gone.") };
        await using var identity = With("partner.test", roots);
        _source.Leaves.Writer.TryWrite(_authority.IssueLeaf(TestInstances.Service));
        _source.Bundles.Writer.TryWrite(CopyOf(_authority.Bundle));

        Assert.Null((await identity.GetAsync(TestContext.Current.CancellationToken).AsTask().BoundedAsync()).FindBundle("partner.test"));
        Assert.Contains("The volume is gone.", identity.DescribeMissingRoots("partner.test"), StringComparison.Ordinal);
        Assert.Contains("TrustDomains:stranger.test:RootsFile", identity.DescribeMissingRoots("stranger.test"), StringComparison.Ordinal);

        roots.Failure = null;
        roots.Bundles.Writer.TryWrite(CopyOf(partner.Bundle));
        await Eventually.HoldsAsync(() => partner.Bundle.Equals(identity.Current!.FindBundle("partner.test")));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_OwnTrustDomainAmongTheOthers_IsRefusedAndSaysWhichSettingItIs()
    {
        var own = _authority.Bundle.TrustDomain;
        await using var identity = With(own, new Source());
        _source.Leaves.Writer.TryWrite(_authority.IssueLeaf(TestInstances.Service));
        _source.Bundles.Writer.TryWrite(CopyOf(_authority.Bundle));

        var failure = await Assert.ThrowsAsync<ControlPlaneException>(
            () => identity.GetAsync(TestContext.Current.CancellationToken).AsTask().BoundedAsync());

        Assert.Contains($"Mesh:Identity:TrustDomains:{own} is this process's own", failure.Message, StringComparison.Ordinal);
        Assert.Null(identity.Current);
    }

    private MeshIdentity With(string trustDomain, Source roots) => new(
        TestInstances.Service,
        _source,
        _source,
        new WatchRunner(TimeProvider.System, _random, NullLogger<WatchRunner>.Instance),
        NullLogger<MeshIdentity>.Instance,
        foreign: [new ForeignTrustDomain(trustDomain, roots)]);

    private static TrustBundle CopyOf(TrustBundle bundle)
    {
        var roots = bundle.Roots.Select(root => X509CertificateLoader.LoadCertificate(root.RawData)).ToList();
        return new TrustBundle(bundle.TrustDomain, roots) { SigningRoot = roots[0] };
    }

    private static ConnectionPool Pool(InstanceTransport transport)
    {
        var pool = transport.Acquire();
        pool.Release();
        return pool;
    }

    private async Task GetAsync(LeafCertificate leaf, TrustBundle bundle)
    {
        _source.Leaves.Writer.TryWrite(leaf);
        _source.Bundles.Writer.TryWrite(bundle);
        await _identity.GetAsync(TestContext.Current.CancellationToken).AsTask().BoundedAsync();
    }

    /// <summary>Answers each read with the next thing it is given.</summary>
    private sealed class Source : ILeafCertificateSource, ITrustBundleSource
    {
        public Channel<LeafCertificate> Leaves { get; } = Channel.CreateUnbounded<LeafCertificate>();

        public Channel<TrustBundle> Bundles { get; } = Channel.CreateUnbounded<TrustBundle>();

        /// <summary>Thrown in place of an answer about roots.</summary>
        public Exception? Failure { get; set; }

        public async Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken) =>
            new(await Leaves.Reader.ReadAsync(cancellationToken), index + 1);

        public async Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken) =>
            Failure is { } failure ? throw failure : new(await Bundles.Reader.ReadAsync(cancellationToken), index + 1);
    }
}
