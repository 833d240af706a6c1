using System.Text;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Restart;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Restart;

public sealed class RestartSourcesTests : IDisposable
{
    private static readonly ServiceName Web = ServiceName.Parse("web");
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    private readonly StateFileFixture _fixture = new();
    private readonly InMemoryControlPlane _plane = new();

    public RestartSourcesTests() => _plane.AddInstance(Orders, "127.0.0.1", 1001);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _plane.Dispose();
        _fixture.Dispose();
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(ControlPlaneFailure.Unreachable)]
    [InlineData(ControlPlaneFailure.Unavailable)]
    [InlineData(ControlPlaneFailure.Malformed)]
    public async Task Read_ControlPlaneAwayAfterARestart_AnswersFromTheFileAndSaysSoOnce(ControlPlaneFailure failure)
    {
        await ReadAllAsync();
        _plane.FailWith(new ControlPlaneException(failure, "away"));
        _fixture.Time.Advance(TimeSpan.FromMinutes(10));
        using var state = _fixture.Open();
        var sources = Sources(state);

        var instances = await sources.Wrap((IInstanceSource)_plane).ReadInstancesAsync(Orders, 0, Token);
        var intentions = await sources.Wrap((IIntentionSource)_plane).ReadIntentionsAsync(Web, 0, Token);
        var bundle = await sources.Wrap((ITrustBundleSource)_plane).ReadTrustBundleAsync(0, Token);
        var leaf = await sources.Wrap((ILeafCertificateSource)_plane).ReadLeafAsync(Web, 0, Token);

        Assert.Equal(_plane.Instances(Orders), instances.Value);
        Assert.Equal("ops", Assert.Single(intentions.Value.Intentions.AsSpan().ToArray()).Source);
        Assert.Equal(_plane.Authority.Bundle, bundle.Value);
        Assert.Equal(_plane.Authority.IdOf(Web), leaf.Value.Id);
        Assert.Equal(TimeSpan.FromMinutes(10), instances.Remembered!.Age);
        Assert.Equal(failure, Assert.IsType<ControlPlaneException>(instances.Remembered.Failure).Failure);
        Assert.Equal(4, _fixture.Logged(45).Count());
        await sources.Wrap((IIntentionSource)_plane).ReadIntentionsAsync(Web, 0, Token);
        leaf.Value.Dispose();
        bundle.Value.Dispose();
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(ControlPlaneFailure.Forbidden)]
    [InlineData(ControlPlaneFailure.Rejected)]
    public async Task Read_ControlPlaneRefuses_IsAnAnswerAndTheFileIsNot(ControlPlaneFailure failure)
    {
        await ReadAllAsync();
        _plane.FailWith(new ControlPlaneException(failure, "no"));
        using var state = _fixture.Open();
        var source = Sources(state).Wrap((IIntentionSource)_plane);

        var thrown = await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadIntentionsAsync(Web, 0, Token));

        Assert.Equal(failure, thrown.Failure);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_OnceTheControlPlaneHasAnswered_LaterFailuresAreFailures()
    {
        await ReadAllAsync();
        using var state = _fixture.Open();
        var source = Sources(state).Wrap((IIntentionSource)_plane);
        _plane.Deny("ops", "web");
        var answer = await source.ReadIntentionsAsync(Web, 0, Token);
        Assert.Null(answer.Remembered);
        Assert.Equal(IntentionAction.Deny, answer.Value.Intentions[0].Action);
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));

        await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadIntentionsAsync(Web, answer.Index, Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_SilentControlPlane_IsWaitedForTwiceAsLongEachTime()
    {
        await ReadAllAsync();
        _plane.Stall();
        using var state = _fixture.Open();
        var source = Sources(state).Wrap((IIntentionSource)_plane);
        foreach (var seconds in new[] { 2, 4, 8 })
        {
            var reading = source.ReadIntentionsAsync(Web, 0, Token);
            await _fixture.Time.WaitForTimerAsync(TimeSpan.FromSeconds(seconds), cancellationToken: Token);
            _fixture.Time.Advance(TimeSpan.FromSeconds(seconds));
            Assert.NotNull((await reading.BoundedAsync()).Remembered);
        }

        var last = source.ReadIntentionsAsync(Web, 0, Token);
        _plane.Release();
        Assert.Null((await last.BoundedAsync()).Remembered);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_CallerGivesUp_IsNoReasonToAnswerFromTheFile()
    {
        await ReadAllAsync();
        _plane.Stall();
        using var state = _fixture.Open();
        using var caller = new CancellationTokenSource();
        var reading = Sources(state).Wrap((IIntentionSource)_plane).ReadIntentionsAsync(Web, 0, caller.Token);

        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadLeaf_NotAskedFor_IsNotInTheFileAndNotInItsBytes()
    {
        await ReadAllAsync(includeLeaf: false);

        Assert.DoesNotContain(Document().Entries, entry => entry.Kind == SavedKind.Leaf);
    }

    [Fact]
    public async Task Wrap_CertificateAndRootsFromFiles_AreLeftToTheFilesAndTheirTrustDomainIsKept()
    {
        using var authority = new TestCertificateAuthority("one.consul");
        var roots = Path.Combine(Path.GetDirectoryName(_fixture.Path)!, "roots.pem");
        await File.WriteAllTextAsync(roots, authority.Bundle.Roots[0].ExportCertificatePem(), Token);
        using (var state = _fixture.Open())
        {
            ILeafCertificateSource leaves = new FileLeafSource("leaf", "key", TimeSpan.FromMinutes(1), _fixture.Time);
            ITrustBundleSource bundles = new FileTrustBundleSource(roots, () => "one.consul", TimeSpan.FromMinutes(1), _fixture.Time);
            state.Keep(SavedKind.Instances, "orders", [1]);

            Assert.Same(leaves, Sources(state).Wrap(leaves));
            using var read = (await Sources(state).Wrap(bundles).ReadTrustBundleAsync(0, Token)).Value;
            Assert.Equal("one.consul", read.TrustDomain);
        }

        var document = _fixture.Read();
        Assert.Equal("one.consul", document.TrustDomain);
        Assert.Equal(SavedKind.Instances, Assert.Single(document.Entries).Kind);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadLeaf_EndedMeanwhile_IsNotGivenOut()
    {
        _plane.LeafLifetime = TimeSpan.FromHours(1);
        await ReadAllAsync();
        _fixture.Time.Advance(TimeSpan.FromHours(2));
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));
        using var state = _fixture.Open();

        await Assert.ThrowsAsync<ControlPlaneException>(
            () => Sources(state).Wrap((ILeafCertificateSource)_plane).ReadLeafAsync(Web, 0, Token));

        Assert.Single(_fixture.Logged(46));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_ContentNobodyCanRead_IsAFailureOfTheReadAndNoMore()
    {
        using (var state = _fixture.Open())
        {
            state.Keep(SavedKind.Intentions, "web", Encoding.UTF8.GetBytes("{\"secret\":1}"));
        }

        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));
        using var restarted = _fixture.Open();

        await Assert.ThrowsAsync<ControlPlaneException>(
            () => Sources(restarted).Wrap((IIntentionSource)_plane).ReadIntentionsAsync(Web, 0, Token));

        Assert.DoesNotContain("secret", Assert.Single(_fixture.Logged(47)).Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadInstances_EmptyListOfARegistryThatCameBack_DoesNotEraseTheLastOneAtOnce()
    {
        using (var state = _fixture.Open())
        {
            var source = Sources(state).Wrap((IInstanceSource)_plane);
            var first = await source.ReadInstancesAsync(Orders, 0, Token);
            _plane.ForgetAllInstances();
            await source.ReadInstancesAsync(Orders, first.Index, Token);
            _fixture.Time.Advance(TimeSpan.FromSeconds(12));
            Assert.Single(Document().Entries);
            _fixture.Time.Advance(TimeSpan.FromSeconds(30));
        }

        Assert.Empty(Document().Entries);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadInstances_ShortListAfterARestart_KeepsThoseOfTheFileForAWhile()
    {
        _plane.AddInstance(Orders, "127.0.0.1", 1002);
        await ReadAllAsync();
        _plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));
        using var state = _fixture.Open();
        var source = Sources(state).Wrap((IInstanceSource)_plane);
        Assert.NotNull((await source.ReadInstancesAsync(Orders, 0, Token)).Remembered);
        _plane.SetInstances(Orders, _plane.Instances(Orders).Instances[0]);
        _plane.FailWith(null);

        Assert.Single((await source.ReadInstancesAsync(Orders, 0, Token)).Value.Instances.AsSpan().ToArray());

        _fixture.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, SavedInstances().Count);
        _fixture.Time.Advance(TimeSpan.FromSeconds(40));
        Assert.Single(SavedInstances());
    }

    private List<ServiceInstance> SavedInstances() => [.. StateCodecs.Read(
        Document().Entries.Single(entry => entry.Kind == SavedKind.Instances).Content, SavedJson.Default.ServiceSnapshot).Instances.AsSpan()];

    private SavedDocument Document() => new StateFile(_fixture.Path, StateFileFixture.Protector).Read()!;

    private RestartSources Sources(RestartState state, bool includeLeaf = true) =>
        new(state, includeLeaf, _fixture.Time, new LoggerFactory([_fixture.Logs]).CreateLogger<RestartState>());

    /// <summary>A run of the app in which the control plane answers everything, and its end.</summary>
    private async Task ReadAllAsync(bool includeLeaf = true)
    {
        _plane.Allow("ops", "web");
        using var state = _fixture.Open();
        var sources = Sources(state, includeLeaf);
        await sources.Wrap((IInstanceSource)_plane).ReadInstancesAsync(Orders, 0, Token);
        await sources.Wrap((IIntentionSource)_plane).ReadIntentionsAsync(Web, 0, Token);
        (await sources.Wrap((ITrustBundleSource)_plane).ReadTrustBundleAsync(0, Token)).Value.Dispose();
        (await sources.Wrap((ILeafCertificateSource)_plane).ReadLeafAsync(Web, 0, Token)).Value.Dispose();
    }
}
