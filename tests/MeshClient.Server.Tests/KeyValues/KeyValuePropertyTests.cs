using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.Catalog;
using MeshClient.Server.KeyValues;
using MeshClient.Server.State;

namespace MeshClient.Server.Tests.KeyValues;

/// <summary>Keys against a plain dictionary: what is there, what is below a prefix, what is woken, and how indexes move.</summary>
public sealed class KeyValuePropertyTests
{
    private static readonly string[] Keys = ["a", "a/", "a/b", "a/b/c", "a/b/d", "a!", "b", "b/é", "A", "a/b\u0001"];
    private static readonly string[] Prefixes = ["", "a", "a/", "a/b", "a/b/", "b", "zz"];

    [Fact]
    public void AnyWrites_AgreeWithAPlainDictionary() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(300),
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ArrayOf().ToArbitrary(), Holds));

    private static bool Holds(int[] seeds)
    {
        using var store = new StateStore(
            ServerState.CreateEmpty(1, new NodeRecord("id", "n1", "127.0.0.1", "dc1", 1, 1), DateTimeOffset.UnixEpoch), new MemoryStateStorage(), new WatchHub());
        var model = new SortedDictionary<string, (byte Value, ulong Modify)>(StringComparer.Ordinal);
        var seen = new Dictionary<string, ulong>();
        foreach (var seed in seeds)
        {
            var key = Keys[seed % Keys.Length];
            var prefix = Prefixes[seed / 16 % Prefixes.Length];
            var value = (byte)(seed / 128 % 3);
            var touched = Apply(store, model, seed / 512 % 5, key, prefix, value);
            var keys = store.Current.Keys;
            if (!keys.All.Select(entry => (entry.Key, entry.Value[0], entry.ModifyIndex)).SequenceEqual(model.Select(pair => (pair.Key, pair.Value.Value, pair.Value.Modify))))
            {
                return false;
            }

            foreach (var some in Prefixes)
            {
                var below = model.Keys.Where(known => known.StartsWith(some, StringComparison.Ordinal));
                var changed = touched.Any(known => known.StartsWith(some, StringComparison.Ordinal));
                if (!keys.Below(some).Select(entry => entry.Key).SequenceEqual(below) || !Moves(seen, "p" + some, keys.IndexBelow(some), changed))
                {
                    return false;
                }
            }

            foreach (var known in Keys)
            {
                if (!Moves(seen, "k" + known, keys.IndexOf(keys.Find(known)), touched.Contains(known)))
                {
                    return false;
                }
            }
        }

        return true;
    }

    // Never back; and up when what it stands for has changed.
    private static bool Moves(Dictionary<string, ulong> seen, string name, ulong index, bool changed)
    {
        var before = seen.GetValueOrDefault(name, 1UL);
        seen[name] = index;
        return changed ? index > before : index >= before;
    }

    private static List<string> Apply(
        StateStore store, SortedDictionary<string, (byte Value, ulong Modify)> model, int kind, string key, string prefix, byte value)
    {
        var known = model.TryGetValue(key, out var present);
        switch (kind)
        {
            case 0 or 1:
                var index = store.Apply(new SetKey(key, [value], 0, null)).Index;
                if (known && present.Value == value)
                {
                    return [];
                }

                model[key] = (value, index);
                return [key];
            case 2:
                var command = new SetKey(key, [value], 0, known ? present.Modify : 0);
                index = store.Apply(command).Index;
                Assert.True(command.Held);
                if (known && present.Value == value)
                {
                    return [];
                }

                model[key] = (value, index);
                return [key];
            case 3:
                store.Apply(new DeleteKey(key, null));
                return model.Remove(key) ? [key] : [];
            default:
                store.Apply(new DeleteKeysBelow(prefix));
                var gone = model.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToList();
                gone.ForEach(name => model.Remove(name));
                return gone;
        }
    }
}
