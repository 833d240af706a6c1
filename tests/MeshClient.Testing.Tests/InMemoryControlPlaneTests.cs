using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Testing.Tests;

public sealed class InMemoryControlPlaneTests : IDisposable
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private static readonly ServiceName Web = ServiceName.Parse("web");
    private readonly InMemoryControlPlane _plane = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _plane.Dispose();

    [Fact]
    public async Task ReadInstancesAsync_UnknownService_IsEmptyWithAnIndex()
    {
        var read = await _plane.ReadInstancesAsync(Orders, 0, Cancellation);

        Assert.Equal(new ServiceSnapshot(Orders, []), read.Value);
        Assert.NotEqual(0UL, read.Index);
        Assert.Equal(1, _plane.InstanceReads(Orders));
        Assert.Equal(0, _plane.InstanceReads(Web));
    }

    [Fact]
    public async Task ReadInstancesAsync_WithTheLastIndex_WaitsForAChangeOfThatService()
    {
        var first = await _plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var waiting = _plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        Assert.Equal(1, _plane.ParkedCalls);

        _plane.AddInstance(Web, "127.0.0.1", 1);
        Assert.Equal(1, _plane.ParkedCalls);
        var added = _plane.AddInstance(Orders, "127.0.0.1", 2);
        Assert.Equal(0, _plane.ParkedCalls);

        var second = await Bounded(waiting);
        Assert.True(second.Index > first.Index);
        Assert.Equal([added], second.Value.Instances);
        Assert.Equal(2, _plane.InstanceReads(Orders));
    }

    [Fact(Timeout = 30_000)]
    public async Task SetInstances_Many_IsOneChange()
    {
        const int many = 20_000;
        var before = await _plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var moving = _plane.AddInstance(Web, "127.0.0.1", 1);
        var middle = await _plane.ReadInstancesAsync(Web, 0, Cancellation);
        var instances = Enumerable.Range(0, many).Select(i => moving with { Id = new InstanceId($"orders-{i}"), Service = Orders, ExpectedService = Orders })
            .Append(moving with { Service = Orders }).ToArray();

        _plane.SetInstances(Orders, instances);

        var after = await _plane.ReadInstancesAsync(Orders, before.Index, Cancellation);
        var left = await _plane.ReadInstancesAsync(Web, middle.Index, Cancellation);
        Assert.Equal(many + 1, after.Value.Instances.Count);
        Assert.Empty(left.Value.Instances);
        // One for each of the two services it is about.
        Assert.Equal(middle.Index + 2, Math.Max(after.Index, left.Index));
    }

    [Fact]
    public async Task ReadInstancesAsync_WithAnOlderOrForeignIndex_AnswersAtOnce()
    {
        var first = await _plane.ReadInstancesAsync(Orders, 0, Cancellation);
        _plane.AddInstance(Orders, "127.0.0.1", 1);

        var second = await Bounded(_plane.ReadInstancesAsync(Orders, first.Index, Cancellation));
        var third = await Bounded(_plane.ReadInstancesAsync(Orders, ulong.MaxValue, Cancellation));

        Assert.Equal(second, third);
        Assert.Single(second.Value.Instances);
    }

    [Fact]
    public async Task ReadInstancesAsync_UnchangedContent_WakesNobody()
    {
        var instance = _plane.AddInstance(Orders, "127.0.0.1", 1);
        var first = await _plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var waiting = _plane.ReadInstancesAsync(Orders, first.Index, Cancellation);

        _plane.AddInstance(instance with { });
        _plane.SetInstances(Orders, instance);
        _plane.SetHealth(instance.Id, InstanceHealth.Passing);

        Assert.False(waiting.IsCompleted);
        _plane.EndWaits();
        Assert.Equal(first, await Bounded(waiting));
    }

    [Fact]
    public async Task ReadInstancesAsync_Cancelled_LeavesNothingParked()
    {
        using var cancel = new CancellationTokenSource();
        var first = await _plane.ReadInstancesAsync(Orders, 0, cancel.Token);
        var waiting = _plane.ReadInstancesAsync(Orders, first.Index, cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(0, _plane.ParkedCalls);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _plane.ReadInstancesAsync(Orders, 0, cancel.Token));
    }

    [Fact]
    public async Task SetInstancesAndRemove_EachChange_IsSeen()
    {
        var one = _plane.AddInstance(Orders, "127.0.0.1", 1);
        var two = _plane.AddInstance(Orders, "127.0.0.1", 2, InstanceSecurity.Plaintext);
        Assert.Equal([one, two], _plane.Instances(Orders).Instances);
        Assert.Equal(InstanceSecurity.Plaintext, two.Endpoints[0].Security);

        _plane.SetHealth(one.Id, InstanceHealth.Warning);
        Assert.Equal([one with { Health = InstanceHealth.Warning }, two], _plane.Instances(Orders).Instances);

        _plane.RemoveInstance(one.Id);
        Assert.Equal([two], _plane.Instances(Orders).Instances);

        _plane.SetInstances(Orders, one);
        Assert.Equal([one], _plane.Instances(Orders).Instances);

        _plane.SetInstances(Orders);
        Assert.Empty((await _plane.ReadInstancesAsync(Orders, 0, Cancellation)).Value.Instances);

        Assert.Throws<ArgumentException>(() => _plane.SetInstances(Web, one));
        Assert.Throws<ArgumentException>(() => _plane.RemoveInstance(one.Id));
        Assert.Throws<ArgumentException>(() => _plane.SetHealth(one.Id, InstanceHealth.Critical));
        Assert.Throws<ArgumentException>(() => _plane.Expire(one.Id));
    }

    [Fact]
    public async Task RegisterAsync_NewInstance_IsListedAsRegistered()
    {
        var registration = Registration("o-1");

        await _plane.RegisterAsync(registration, Cancellation);

        var instance = Assert.Single(_plane.Instances(Orders).Instances.AsSpan().ToArray());
        Assert.Equal(registration.Id, instance.Id);
        Assert.Equal(Orders, instance.ExpectedService);
        Assert.Equal("dc1", instance.Datacenter);
        Assert.Equal(registration.Endpoints, instance.Endpoints);
        Assert.Equal(7, instance.Weight);
        Assert.Equal(registration.Tags, instance.Tags);
        Assert.Equal("b", instance.Meta["a"]);
        Assert.Equal(InstanceHealth.Passing, instance.Health);
        Assert.False(instance.PlaintextAllowed);
        Assert.Equal([registration], _plane.Registrations);
    }

    [Fact]
    public async Task BeatAsync_KnownExpiredAndForgotten_AnswersAsARegistryDoes()
    {
        var registration = Registration("o-1");
        await _plane.RegisterAsync(registration, Cancellation);
        Assert.Equal(HeartbeatResult.Accepted, await _plane.BeatAsync(registration.Id, "fine", Cancellation));

        _plane.Expire(registration.Id);
        Assert.Equal(InstanceHealth.Critical, HealthOf(registration.Id));
        Assert.Equal(HeartbeatResult.Accepted, await _plane.BeatAsync(registration.Id, "back", Cancellation));
        Assert.Equal(InstanceHealth.Passing, HealthOf(registration.Id));

        _plane.ForgetInstance(registration.Id);
        Assert.Empty(_plane.Instances(Orders).Instances);
        Assert.Equal(HeartbeatResult.UnknownInstance, await _plane.BeatAsync(registration.Id, "lost", Cancellation));
        await _plane.RegisterAsync(registration, Cancellation);
        Assert.Equal(HeartbeatResult.Accepted, await _plane.BeatAsync(registration.Id, "again", Cancellation));

        _plane.ForgetAllInstances();
        Assert.Equal(HeartbeatResult.UnknownInstance, await _plane.BeatAsync(registration.Id, "end", Cancellation));
        Assert.Equal(["fine", "back", "lost", "again", "end"], _plane.Beats.Select(beat => beat.Note));
        Assert.All(_plane.Beats, beat => Assert.Equal(registration.Id, beat.Instance));
    }

    [Fact]
    public async Task RegisterAsync_Again_RenewsItsOwnCheckOnly()
    {
        var registration = Registration("o-1");
        await _plane.RegisterAsync(registration, Cancellation);
        _plane.SetHealth(registration.Id, InstanceHealth.Warning);
        _plane.Expire(registration.Id);

        await _plane.RegisterAsync(registration, Cancellation);

        Assert.Equal(InstanceHealth.Warning, HealthOf(registration.Id));
        await _plane.SetMaintenanceAsync(registration.Id, true, "drain", Cancellation);
        await _plane.RegisterAsync(registration, Cancellation);
        Assert.Equal(InstanceHealth.Critical, HealthOf(registration.Id));
    }

    [Fact]
    public async Task SetMaintenanceAsync_OnAndOff_IsCriticalMeanwhile()
    {
        var registration = Registration("o-1");
        await _plane.RegisterAsync(registration, Cancellation);

        await _plane.SetMaintenanceAsync(registration.Id, true, "drain", Cancellation);
        Assert.Equal(InstanceHealth.Critical, HealthOf(registration.Id));
        await _plane.BeatAsync(registration.Id, "", Cancellation);
        Assert.Equal(InstanceHealth.Critical, HealthOf(registration.Id));
        await _plane.SetMaintenanceAsync(registration.Id, false, "", Cancellation);
        Assert.Equal(InstanceHealth.Passing, HealthOf(registration.Id));

        await _plane.SetMaintenanceAsync(new InstanceId("nobody"), true, "x", Cancellation);
        Assert.Equal(
            [
                new MaintenanceRecord(registration.Id, true, "drain"), new MaintenanceRecord(registration.Id, false, ""),
                new MaintenanceRecord(new InstanceId("nobody"), true, "x"),
            ],
            _plane.Maintenance);
    }

    [Fact]
    public async Task DeregisterAsync_KnownAndUnknown_IsGone()
    {
        await _plane.RegisterAsync(Registration("o-1"), Cancellation);

        await _plane.DeregisterAsync(new InstanceId("o-1"), Cancellation);
        await _plane.DeregisterAsync(new InstanceId("o-2"), Cancellation);

        Assert.Empty(_plane.Instances(Orders).Instances);
        Assert.Equal([new InstanceId("o-1"), new InstanceId("o-2")], _plane.Deregistrations);
    }

    [Fact]
    public async Task ReadIntentionsAsync_AtFirst_DeniesByDefault()
    {
        var read = await _plane.ReadIntentionsAsync(Orders, 0, Cancellation);

        Assert.Equal(new IntentionSnapshot(Orders, [], IntentionAction.Deny), read.Value);
        Assert.Equal(1, _plane.IntentionReads(Orders));
    }

    [Fact]
    public async Task AllowAndDeny_Pairs_ReplaceEachOtherAndWakeReaders()
    {
        _plane.Allow("web", "orders");
        _plane.Allow("*", "*");
        _plane.Allow("web", "payments");
        var first = await _plane.ReadIntentionsAsync(Orders, 0, Cancellation);
        Assert.Equal(["web->orders", "*->*"], first.Value.Intentions.Select(i => i.Id));
        Assert.All(first.Value.Intentions.AsSpan().ToArray(), i => Assert.Equal(IntentionAction.Allow, i.Action));

        var waiting = _plane.ReadIntentionsAsync(Orders, first.Index, Cancellation);
        _plane.Deny("web", "orders");
        var second = await Bounded(waiting);

        Assert.Equal(2, second.Value.Intentions.Count);
        Assert.False(new IntentionEvaluator(second.Value, IntentionAction.Deny).EvaluateConnection("web").IsAllowed);
        Assert.True(new IntentionEvaluator(second.Value, IntentionAction.Deny).EvaluateConnection("other").IsAllowed);

        _plane.RemoveIntention("*", "*");
        _plane.RemoveIntention("no", "such");
        var third = await _plane.ReadIntentionsAsync(Orders, 0, Cancellation);
        Assert.Equal(["web->orders"], third.Value.Intentions.Select(i => i.Id));
        Assert.Throws<FormatException>(() => _plane.Allow("we*", "orders"));
    }

    [Fact]
    public async Task SetIntentions_WithADefault_ReplacesOnlyThatDestinations()
    {
        _plane.Allow("web", "orders");
        _plane.Allow("*", "*");
        var own = new Intention { Id = "x", Source = "ops", Destination = "orders", Action = IntentionAction.Deny };

        _plane.SetIntentions(Orders, IntentionAction.Allow, own);

        var orders = (await _plane.ReadIntentionsAsync(Orders, 0, Cancellation)).Value;
        Assert.Equal(["*->*", "x"], orders.Intentions.Select(i => i.Id));
        Assert.Equal(IntentionAction.Allow, orders.DefaultAction);
        Assert.Equal(IntentionAction.Deny, (await _plane.ReadIntentionsAsync(Web, 0, Cancellation)).Value.DefaultAction);
        Assert.Throws<ArgumentException>(() => _plane.SetIntentions(Web, null, own));

        _plane.SetDefaultAction(null);
        Assert.Null((await _plane.ReadIntentionsAsync(Orders, 0, Cancellation)).Value.DefaultAction);
    }

    [Fact]
    public async Task ReadLeafAsync_UntilRenewed_IsTheSameLeafInCopiesOfOnesOwn()
    {
        var first = await _plane.ReadLeafAsync(Orders, 0, Cancellation);
        var again = await _plane.ReadLeafAsync(Orders, 0, Cancellation);
        Assert.Equal(_plane.Authority.IdOf(Orders), first.Value.Id);
        Assert.Equal(first.Value.Certificate.Thumbprint, again.Value.Certificate.Thumbprint);
        Assert.Equal(first.Index, again.Index);
        first.Value.Certificate.Dispose();
        Assert.True(again.Value.Certificate.HasPrivateKey);
        Assert.True((await _plane.ReadLeafAsync(Orders, 0, Cancellation)).Value.Certificate.HasPrivateKey);

        var waiting = _plane.ReadLeafAsync(Orders, again.Index, Cancellation);
        Assert.False(waiting.IsCompleted);
        _plane.LeafLifetime = TimeSpan.FromHours(1);
        _plane.RenewLeaves();
        var renewed = await Bounded(waiting);

        Assert.NotEqual(again.Value.Certificate.Thumbprint, renewed.Value.Certificate.Thumbprint);
        Assert.Equal(TimeSpan.FromHours(1), renewed.Value.NotAfter - renewed.Value.NotBefore);
        Assert.Equal(4, _plane.LeafReads(Orders));
    }

    [Fact]
    public async Task SetLeaf_ExpiredOne_IsHandedOutUntilRenewal()
    {
        using var expired = _plane.Authority.IssueFlawed(Orders, LeafFlaw.Expired);
        _plane.SetLeaf(Orders, expired.ToLeaf());

        var read = await _plane.ReadLeafAsync(Orders, 0, Cancellation);
        Assert.Equal(expired.Certificate.Thumbprint, read.Value.Certificate.Thumbprint);

        _plane.RenewLeaves();
        Assert.True((await _plane.ReadLeafAsync(Orders, 0, Cancellation)).Value.NotAfter > read.Value.NotAfter);
    }

    [Fact]
    public async Task RotateRoots_WaitingReaders_GetNewRootsAndLeaves()
    {
        var bundle = await _plane.ReadTrustBundleAsync(0, Cancellation);
        var leaf = await _plane.ReadLeafAsync(Orders, 0, Cancellation);
        var nextBundle = _plane.ReadTrustBundleAsync(bundle.Index, Cancellation);
        var nextLeaf = _plane.ReadLeafAsync(Orders, leaf.Index, Cancellation);
        Assert.Equal(2, _plane.ParkedCalls);

        _plane.RotateRoots();

        Assert.Equal(2, (await Bounded(nextBundle)).Value.Roots.Count);
        Assert.Single((await Bounded(nextLeaf)).Value.Intermediates);
        Assert.Equal(2, _plane.TrustBundleReads);

        var third = _plane.ReadTrustBundleAsync((await nextBundle).Index, Cancellation);
        _plane.RetireOldRoots();
        Assert.Single((await Bounded(third)).Value.Roots);
    }

    [Fact]
    public async Task ReadTrustBundleAsync_DisposedByOneReader_IsGoodForOthers()
    {
        var first = await _plane.ReadTrustBundleAsync(0, Cancellation);
        first.Value.Roots[0].Dispose();

        var second = await _plane.ReadTrustBundleAsync(0, Cancellation);

        Assert.Equal(_plane.Authority.Bundle.Roots[0].RawData, second.Value.Roots[0].RawData);
    }

    [Fact]
    public async Task FailWith_AnyCall_FailsUntilCleared()
    {
        var first = await _plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var waiting = _plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        var failure = new ControlPlaneException(ControlPlaneFailure.Unavailable, "No cluster leader")
        {
            RetryAfter = TimeSpan.FromSeconds(3),
        };

        _plane.FailWith(failure);

        Func<Task>[] calls =
        [
            () => waiting,
            () => _plane.ReadInstancesAsync(Orders, 0, Cancellation),
            () => _plane.ReadIntentionsAsync(Orders, 0, Cancellation),
            () => _plane.ReadTrustBundleAsync(0, Cancellation),
            () => _plane.ReadLeafAsync(Orders, 0, Cancellation),
            () => _plane.RegisterAsync(Registration("o-1"), Cancellation),
            () => _plane.BeatAsync(new InstanceId("o-1"), "", Cancellation),
            () => _plane.SetMaintenanceAsync(new InstanceId("o-1"), true, "", Cancellation),
            () => _plane.DeregisterAsync(new InstanceId("o-1"), Cancellation),
        ];
        var thrown = new HashSet<ControlPlaneException>();
        foreach (var call in calls)
        {
            var e = await Assert.ThrowsAsync<ControlPlaneException>(() => Bounded(call()));
            Assert.Equal(ControlPlaneFailure.Unavailable, e.Failure);
            Assert.Equal("No cluster leader", e.Message);
            Assert.Equal(TimeSpan.FromSeconds(3), e.RetryAfter);
            Assert.True(thrown.Add(e));
        }

        Assert.Empty(_plane.Registrations);
        _plane.FailWith(null);
        await _plane.RegisterAsync(Registration("o-1"), Cancellation);
        Assert.Single(_plane.Registrations);
    }

    [Fact]
    public async Task Stall_AnyCall_HangsUntilReleasedOrCancelled()
    {
        using var cancel = new CancellationTokenSource();
        _plane.Stall();
        var read = _plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var register = _plane.RegisterAsync(Registration("o-1"), Cancellation);
        var cancelled = _plane.BeatAsync(new InstanceId("o-1"), "", cancel.Token);
        await _plane.WaitForParkedCallsAsync(3, cancellationToken: Cancellation);
        Assert.Empty(_plane.Registrations);

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.False(read.IsCompleted);
        _plane.Release();

        Assert.Empty((await Bounded(read)).Value.Instances);
        await Bounded(register);
        Assert.Empty(_plane.Beats);
        Assert.Single(_plane.Instances(Orders).Instances.AsSpan().ToArray());
    }

    [Fact]
    public async Task WaitForParkedCallsAsync_AfterAChange_WaitsForTheNextRead()
    {
        var rounds = 0;
        using var stop = new CancellationTokenSource();
        var watching = Task.Run(
            async () =>
            {
                for (var index = 0UL; ; rounds++)
                {
                    index = (await _plane.ReadInstancesAsync(Orders, index, stop.Token)).Index;
                }
            },
            Cancellation);

        for (var port = 1; port <= 200; port++)
        {
            await _plane.WaitForParkedCallsAsync(1, cancellationToken: Cancellation);
            Assert.Equal(port, Volatile.Read(ref rounds));
            _plane.AddInstance(Orders, "127.0.0.1", port);
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    [Fact]
    public async Task WaitForAsync_ConditionOnBeats_EndsWithThem()
    {
        var waiting = _plane.WaitForAsync(plane => plane.Beats.Count >= 2, cancellationToken: Cancellation);
        await _plane.BeatAsync(new InstanceId("a"), "", Cancellation);
        Assert.False(waiting.IsCompleted);
        await _plane.BeatAsync(new InstanceId("a"), "", Cancellation);
        await waiting;

        await Assert.ThrowsAsync<TimeoutException>(
            () => _plane.WaitForAsync(_ => false, TimeSpan.FromMilliseconds(20), Cancellation));
    }

    [Fact]
    public async Task Dispose_WaitingAndLaterCalls_Fail()
    {
        var plane = new InMemoryControlPlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var waiting = plane.ReadInstancesAsync(Orders, first.Index, Cancellation);

        plane.Dispose();

        await Assert.ThrowsAsync<ControlPlaneException>(() => Bounded(waiting));
        await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadLeafAsync(Orders, 0, Cancellation));
    }

    [Fact]
    public async Task Constructor_GivenAuthority_StaysTheCallers()
    {
        using var authority = new TestCertificateAuthority("td.test");
        using (var plane = new InMemoryControlPlane(authority, "west"))
        {
            var leaf = await plane.ReadLeafAsync(Orders, 0, Cancellation);
            Assert.Equal("spiffe://td.test/ns/default/dc/west/svc/orders", leaf.Value.Id.ToString());
            Assert.Equal("west", plane.AddInstance(Orders, "127.0.0.1", 1).Datacenter);
        }

        Assert.Equal("west", authority.IssueLeaf(Orders, "west").Id.TryGetService(out var service) ? service.Datacenter : null);
    }

    private static async Task<T> Bounded<T>(Task<T> task) => await task.WaitAsync(TimeSpan.FromSeconds(10), Cancellation);

    private static Task Bounded(Task task) => task.WaitAsync(TimeSpan.FromSeconds(10), Cancellation);

    private static InstanceRegistration Registration(string id) => new()
    {
        Id = new InstanceId(id),
        Service = Orders,
        Endpoints = [new InstanceEndpoint(null, "127.0.0.1", 5001, InstanceSecurity.Mesh)],
        TimeToLive = TimeSpan.FromSeconds(10),
        Weight = 7,
        Tags = ["t"],
        Meta = System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("a", "b"),
    };

    private InstanceHealth HealthOf(InstanceId id) => _plane.Instances(Orders).Instances.First(i => i.Id == id).Health;
}
