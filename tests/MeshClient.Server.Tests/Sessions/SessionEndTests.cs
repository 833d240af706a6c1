using MeshClient.Server.Catalog;
using MeshClient.Server.KeyValues;
using MeshClient.Server.Sessions;
using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.Sessions;

/// <summary>What is left of sessions that have ended.</summary>
public sealed class SessionEndTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _time = new(Now);
    private readonly StateStore _store;

    public SessionEndTests() => _store = new StateStore(
        ServerState.CreateEmpty(1, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", 1), Now), new MemoryStateStorage(), new WatchHub(), _time);

    public void Dispose() => _store.Dispose();

    [Fact]
    public void Clocks_OfSessionsThatWereEnded_AreForgottenLongBeforeTheirTime()
    {
        using var clocks = new SessionClocks(_store, _time);
        var kept = Create(TimeSpan.FromHours(24), TimeSpan.Zero);
        clocks.Follow(kept);
        for (var i = 0; i < 100; i++)
        {
            var session = Create(TimeSpan.FromHours(24), TimeSpan.Zero);
            clocks.Follow(session);
            _store.Apply(new EndSession(session.Id, Moment.Now(_time)));
        }

        _time.Advance(SessionClocks.Interval);
        Assert.Equal(1, clocks.Count);
        Assert.Equal(kept, clocks.Renew(kept.Id));
    }

    [Fact]
    public async Task End_OfASessionWithManyLocks_HoldsNobodyUpAndDelaysThemAll()
    {
        const int count = 30_000;
        var session = Create(null, TimeSpan.FromSeconds(15));
        for (var i = 0; i < count; i++)
        {
            _store.Apply(new AcquireKey($"k{i}", [], 0, session.Id, _time.GetTimestamp()));
        }

        await Task.Run(() => _store.Apply(new EndSession(session.Id, Moment.Now(_time))), TestServer.Cancellation).WaitAsync(TestServer.Limit, TestServer.Cancellation);
        var after = _store.Current.Keys;
        Assert.Equal(count, after.Delays.Count);
        Assert.True(after.IsDelayed("k7", _time.GetTimestamp()));
        Assert.Empty(after.Held);
    }

    [Fact]
    public void End_WithADelayThatNeverEnds_KeepsItsLocksFromBeingTaken()
    {
        var session = Create(null, TimeSpan.MaxValue);
        _store.Apply(new AcquireKey("k", [], 0, session.Id, _time.GetTimestamp()));
        _time.Advance(TimeSpan.FromDays(400));
        _store.Apply(new EndSession(session.Id, Moment.Now(_time)));
        Assert.True(_store.Current.Keys.IsDelayed("k", _time.GetTimestamp()));
    }

    private SessionRecord Create(TimeSpan? timeToLive, TimeSpan lockDelay)
    {
        var id = Guid.NewGuid().ToString();
        return _store.Apply(new CreateSession(new SessionRecord { Id = id, Node = "n1", LockDelay = lockDelay, TimeToLive = timeToLive }))
            .Sessions.Find(id)!;
    }
}
