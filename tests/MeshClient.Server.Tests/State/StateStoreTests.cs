using MeshClient.Core;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Tests.State;

/// <summary>The index rules, on the state alone.</summary>
public sealed class StateStoreTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);
    private readonly StateStore _store = new(
        ServerState.CreateEmpty(1000, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", 1000), Now), new MemoryStateStorage(), new WatchHub());

    private CatalogState Catalog => _store.Current.Catalog;

    public void Dispose() => _store.Dispose();

    [Fact]
    public void Apply_OfAnIdenticalRegistration_ChangesNothing()
    {
        Register("web");
        var before = _store.Current;
        Register("web");
        Assert.Same(before, _store.Current);
    }

    [Fact]
    public void Apply_OfARegistration_MovesItsOwnIndexAndNoOther()
    {
        Register("web");
        Register("orders");
        var orders = IndexOf("orders");
        Register("web", port: 81);
        Assert.True(IndexOf("web") > orders);
        Assert.Equal(orders, IndexOf("orders"));
        Assert.Equal(_store.Current.Index, Catalog.ServicesIndex);
    }

    [Fact]
    public void Apply_OfAChangedStatus_MovesTheServiceAndTheChecksButNotTheServices()
    {
        Register("web");
        var services = Catalog.ServicesIndex;
        _store.Apply(new SetCheckStatus("service:web", CheckStatus.Passing, string.Empty, Now));
        Assert.Equal(services, Catalog.ServicesIndex);
        Assert.Equal(_store.Current.Index, Catalog.ChecksIndex);
        Assert.Equal(_store.Current.Index, IndexOf("web"));
    }

    [Fact]
    public void Apply_OfAChangedOutput_ShowsButMovesNoIndex()
    {
        Register("web");
        var before = _store.Current;
        _store.Apply(new SetCheckStatus("service:web", CheckStatus.Critical, "worse", Now));
        Assert.Equal("worse", Catalog.Services["web"].Instances.First().Checks[0].Output);
        Assert.Equal("worse", Catalog.FindCheck("service:web", out _)!.Output);
        Assert.Equal(before.Index, _store.Current.Index);
        Assert.Equal(before.Catalog.IndexOf(before.Catalog.Services["web"]), IndexOf("web"));
    }

    [Fact]
    public void IndexOf_AServiceThatVanishes_NeverGoesBack()
    {
        var seen = new List<ulong> { IndexOf("web") };
        Register("other");
        seen.Add(IndexOf("web"));
        Register("web");
        seen.Add(IndexOf("web"));
        _store.Apply(new DeregisterService("web"));
        seen.Add(IndexOf("web"));
        _store.Apply(new DeregisterService("other"));
        seen.Add(IndexOf("web"));
        Register("web");
        seen.Add(IndexOf("web"));
        Assert.Equal(seen.Order(), seen);
        Assert.DoesNotContain(0UL, seen);
        Assert.True(seen[3] > seen[2] && seen[5] > seen[4]);
    }

    [Fact]
    public void Apply_OfARegistrationUnderAnotherName_MovesBothAndRemovesTheOldOne()
    {
        Register("web", id: "x");
        var before = IndexOf("web");
        Register("web2", id: "x");
        Assert.False(Catalog.Services.ContainsKey("web"));
        Assert.True(IndexOf("web") > before);
        Assert.Single(Catalog.Services["web2"].Instances);
    }

    [Fact]
    public void Apply_OfAConnectChange_MovesTheConnectViewOfTheRightService()
    {
        _store.Apply(new RegisterService(
            new ServiceDefinition { Id = "p", Name = "web-proxy", Kind = "connect-proxy", Port = 1, Proxy = new ProxyDefinition { DestinationServiceName = "web" } },
            default, false, Now));
        Assert.Equal("p", Assert.Single(Catalog.Connect["WEB"].Instances).Id);
        Assert.False(Catalog.Connect.ContainsKey("web-proxy"));
        _store.Apply(new DeregisterService("p"));
        Assert.Empty(Catalog.Connect);
    }

    [Fact]
    public void Apply_OfACheckIdUsedElsewhere_MovesTheCheck()
    {
        Register("web", id: "a", check: "shared");
        Register("web", id: "b", check: "shared");
        Assert.Empty(Catalog.Instances["a"].Checks);
        Assert.Equal("b", Catalog.CheckOwners["shared"]);
        Assert.Single(Catalog.Instances["b"].Checks);
    }

    [Fact]
    public void Apply_OfARegistrationWithoutChecks_KeepsThemUnlessReplaced()
    {
        Register("web");
        _store.Apply(new RegisterService(Definition("web", "web", 80), default, ReplaceChecks: false, Now));
        Assert.Single(Catalog.Instances["web"].Checks);
        _store.Apply(new SetServiceMaintenance("web", true, string.Empty, Now));
        _store.Apply(new RegisterService(Definition("web", "web", 80), default, ReplaceChecks: true, Now));
        Assert.Equal("_service_maintenance:web", Assert.Single(Catalog.Instances["web"].Checks).CheckId);
        Assert.False(Catalog.CheckOwners.ContainsKey("service:web"));
    }

    [Fact]
    public void Apply_OfARepeatedRegistration_KeepsWhatTheCheckSays()
    {
        Register("web");
        _store.Apply(new SetCheckStatus("service:web", CheckStatus.Warning, "hm", Now));
        Register("web", port: 81);
        var check = Assert.Single(Catalog.Instances["web"].Checks);
        Assert.Equal((CheckStatus.Warning, "hm"), (check.Status, check.Output));
    }

    [Fact]
    public void Apply_OfANodeCheck_MovesEveryServiceOnTheNode()
    {
        Register("web");
        var absent = IndexOf("absent");
        _store.Apply(new RegisterCheck(new CheckDefinition("disk", "disk", "", TimeSpan.FromMinutes(1), null, null), "", Now));
        Assert.Equal(_store.Current.Index, IndexOf("web"));
        Assert.Equal(absent, IndexOf("absent"));
    }

    [Fact]
    public void Apply_OfARefusedCommand_ChangesNothing()
    {
        var before = _store.Current;
        var refusal = Assert.Throws<RequestRefusedException>(() => _store.Apply(new DeregisterService("nope")));
        Assert.Equal(404, refusal.StatusCode);
        Assert.Same(before, _store.Current);
    }

    [Fact]
    public void Apply_WhenTheStorageFails_ChangesNothing()
    {
        using var store = new StateStore(_store.Current, new FailingStorage(), new WatchHub());
        var before = store.Current;
        Assert.Throws<StateNotStoredException>(() => store.Apply(new RegisterService(Definition("web", "web", 80), default, false, Now)));
        Assert.Same(before, store.Current);
    }

    [Fact]
    public void Apply_OfTheSameCommands_GivesTheSameState()
    {
        StateCommand[] commands =
        [
            new RegisterService(Definition("a", "web", 1), Checks("c1"), false, Now),
            new RegisterService(Definition("b", "web", 2), Checks("c2"), false, Now),
            new SetCheckStatus("c1", CheckStatus.Passing, "ok", Now),
            new SetServiceMaintenance("b", true, "work", Now),
            new DeregisterCheck("c2"),
            new DeregisterService("a"),
        ];
        var texts = Enumerable.Range(0, 2).Select(_ =>
        {
            using var store = new StateStore(
                ServerState.CreateEmpty(1, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", 1), Now), new MemoryStateStorage(), new WatchHub());
            foreach (var command in commands)
            {
                store.Apply(command);
            }

            return Convert.ToHexString(Written(store));
        });
        Assert.Single(texts.Distinct());
    }

    private static byte[] Written(StateStore store)
    {
        using var bytes = new MemoryStream();
        StateSnapshot.Write(bytes, store.Current, 1, store.Current.Index, store.Seal);
        return bytes.ToArray();
    }

    private static ServiceDefinition Definition(string id, string name, int port) =>
        new() { Id = id, Name = name, Port = port, Tags = ["t"], Meta = EquatableArray.From([KeyValuePair.Create("k", "v")]) };

    private static EquatableArray<CheckDefinition> Checks(string id) =>
        [new CheckDefinition(id, "ttl", string.Empty, TimeSpan.FromSeconds(10), null, null)];

    private void Register(string name, string? id = null, int port = 80, string? check = null) =>
        _store.Apply(new RegisterService(Definition(id ?? name, name, port), Checks(check ?? $"service:{id ?? name}"), false, Now));

    private ulong IndexOf(string name) => Catalog.IndexOf(Catalog.Services.GetValueOrDefault(name));

    private sealed class FailingStorage : IStateStorage
    {
        public StateSeal Seal { get; } = StateSeal.Create();

        public StoredState? Load() => null;

        public void Append(StateBatch batch) => throw new StateNotStoredException("The disk is full.", null);

        public void Dispose() => Seal.Dispose();
    }
}
