using System.Collections.Concurrent;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.KeyValues;
using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.State;

/// <summary>When writes are seen and acknowledged, and what becomes of those that cannot be stored.</summary>
public sealed class GroupCommitTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    private readonly ParkedStorage _storage = new();
    private readonly StateStore _store;

    public GroupCommitTests() => _store = new StateStore(
        ServerState.CreateEmpty(1000, new NodeRecord("id", "n1", "127.0.0.1", "dc1", 1000, 1000), Now), _storage, new WatchHub());

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _storage.Open();
        _store.Dispose();
        _storage.Dispose();
    }

    [Fact]
    public async Task Writes_AreNeitherSeenNorAcknowledgedBeforeTheyAreStored()
    {
        using var watch = _store.Watches.Begin([Topic.Key("a")]);
        _storage.Close();
        var first = StartAsync(new SetKey("a", [1], 0, null));
        await _storage.UntilStoringAsync(1);
        var second = _store.ApplyAsync(new SetKey("b", [1], 0, null));
        var woken = watch.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Cancellation);
        Assert.Equal(0, _store.Current.Keys.Count);
        Assert.False(first.IsCompleted || second.IsCompleted || woken.IsCompleted);
        _storage.Open();
        await Task.WhenAll(first, second).WaitAsync(TestServer.Limit, Cancellation);
        Assert.Equal(WatchOutcome.Changed, await woken.WaitAsync(TestServer.Limit, Cancellation));
        Assert.Equal(2, _store.Current.Keys.Count);
    }

    [Fact]
    public async Task Writes_ThatComeWhileOneIsStored_ShareTheNextBatch()
    {
        _storage.Close();
        var first = StartAsync(new SetKey("first", [1], 0, null));
        await _storage.UntilStoringAsync(1);
        var others = Enumerable.Range(0, 50).Select(i => _store.ApplyAsync(new SetKey($"k{i}", [1], 0, null))).ToList();
        _storage.Open();
        await Task.WhenAll(others.Append(first)).WaitAsync(TestServer.Limit, Cancellation);
        Assert.Equal([1, 50], _storage.Batches);
        Assert.Equal(51, _store.Current.Keys.Count);
        Assert.Equal(1051UL, _store.Current.Index);
    }

    [Fact]
    public async Task AFailure_TakesTheWritesOnTopOfItAlongAndLeavesTheStateAsItWas()
    {
        var before = _store.Current;
        _storage.Close();
        var first = StartAsync(new SetKey("a", [1], 0, 0));
        await _storage.UntilStoringAsync(1);
        var onTop = _store.ApplyAsync(new SetKey("b", [1], 0, null));
        var same = _store.ApplyAsync(new SetKey("a", [1], 0, null));
        var refused = _store.ApplyAsync(new DeregisterService("nope"));
        _storage.FailNext();
        _storage.Open();
        await Assert.ThrowsAsync<StateNotStoredException>(() => first.WaitAsync(TestServer.Limit, Cancellation));
        await Assert.ThrowsAsync<StateNotStoredException>(() => onTop.WaitAsync(TestServer.Limit, Cancellation));
        // Neither the success without a change nor the refusal stands, for both followed from what did not happen.
        await Assert.ThrowsAsync<StateNotStoredException>(() => same.WaitAsync(TestServer.Limit, Cancellation));
        await Assert.ThrowsAsync<StateNotStoredException>(() => refused.WaitAsync(TestServer.Limit, Cancellation));
        Assert.Same(before, _store.Current);

        var compareAndSet = new SetKey("a", [1], 0, 0);
        await _store.ApplyAsync(compareAndSet).WaitAsync(TestServer.Limit, Cancellation);
        Assert.True(compareAndSet.Held);
        Assert.Equal(1, _store.Current.Keys.Count);
    }

    [Fact]
    public async Task AFailure_LeavesSoftWritesInForce()
    {
        var check = new CheckDefinition("c", "c", "", TimeSpan.FromMinutes(1), null, null);
        _store.Apply(new RegisterService(new ServiceDefinition { Id = "web", Name = "web", Port = 80 }, [check], false, Now));
        _storage.Close();
        var hard = StartAsync(new SetKey("a", [1], 0, 0));
        await _storage.UntilStoringAsync(2);
        var soft = _store.ApplyAsync(new SetCheckStatus("c", CheckStatus.Passing, "ok", Now));
        _storage.FailNext();
        _storage.Open();
        await Assert.ThrowsAsync<StateNotStoredException>(() => hard.WaitAsync(TestServer.Limit, Cancellation));
        await soft.WaitAsync(TestServer.Limit, Cancellation);
        Assert.Equal(CheckStatus.Passing, _store.Current.Catalog.FindCheck("c", out _)!.Status);
        Assert.Null(_store.Current.Keys.Find("a"));

        // The disk does not know of it yet: it goes along with the next batch, once.
        _store.Apply(new SetKey("b", [1], 0, null));
        Assert.Equal(2, _storage.Batches[^1]);
        _store.Apply(new SetKey("c", [1], 0, null));
        Assert.Equal(1, _storage.Batches[^1]);
    }

    [Fact]
    public async Task ManyWriters_WithFailuresInBetween_LeaveExactlyWhatWasAcknowledged()
    {
        using var storage = new FlakyStorage();
        using var store = new StateStore(_store.Current, storage, new WatchHub());
        var acknowledged = new ConcurrentBag<string>();
        var refused = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(
            async () =>
            {
                for (var i = 0; i < 400; i++)
                {
                    try
                    {
                        await store.ApplyAsync(new SetKey($"{writer}-{i}", [1], 0, 0));
                        acknowledged.Add($"{writer}-{i}");
                    }
                    catch (StateNotStoredException)
                    {
                        Interlocked.Increment(ref refused);
                    }
                }
            },
            Cancellation))).WaitAsync(TestServer.Limit, Cancellation);
        Assert.NotEqual(0, refused);
        Assert.Equal(acknowledged.Order(StringComparer.Ordinal), store.Current.Keys.All.Select(entry => entry.Key));
        Assert.Equal(storage.Rows.Order(StringComparer.Ordinal), store.Current.Keys.All.Select(entry => entry.Key));
    }

    // The first writer stores in its own thread, which parks.
    private Task<ServerState> StartAsync(StateCommand command) => Task.Run(() => _store.ApplyAsync(command), Cancellation);

    private sealed class ParkedStorage : IStateStorage
    {
        private readonly ManualResetEventSlim _open = new(true);
        private readonly List<int> _batches = [];
        private volatile bool _fails;

        public StateSeal Seal { get; } = StateSeal.Create();

        public IReadOnlyList<int> Batches
        {
            get
            {
                lock (_batches)
                {
                    return [.. _batches];
                }
            }
        }

        public void Close() => _open.Reset();

        public void Open() => _open.Set();

        public void FailNext() => _fails = true;

        public Task UntilStoringAsync(int batches) => TestServer.UntilAsync(() => Batches.Count == batches);

        public StoredState? Load() => null;

        public void Append(StateBatch batch)
        {
            lock (_batches)
            {
                _batches.Add(batch.Changes.Count);
            }

            _open.Wait(TestServer.Limit);
            if (_fails)
            {
                _fails = false;
                throw new StateNotStoredException("The disk is full.", null);
            }
        }

        public void Dispose()
        {
            _open.Dispose();
            Seal.Dispose();
        }
    }

    private sealed class FlakyStorage : IStateStorage
    {
        private readonly Random _random = new(11);

        public StateSeal Seal { get; } = StateSeal.Create();

        public List<string> Rows { get; } = [];

        public StoredState? Load() => null;

        public void Append(StateBatch batch)
        {
            if (_random.Next(20) == 0)
            {
                throw new StateNotStoredException("The disk is full.", null);
            }

            Rows.AddRange(batch.Changes.SelectMany(change => change.Rows).Select(row => row.Key.Key));
        }

        public void Dispose() => Seal.Dispose();
    }
}
