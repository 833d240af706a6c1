using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.KeyValues;
using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Server.Tests.State;

/// <summary>What a data directory gives back, and what becomes of one that was damaged.</summary>
public sealed class StateDirectoryTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    private readonly string _folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
    private readonly RecordingLogger<StateDirectory> _logger = new();

    private string NewestLog => Directory.GetFiles(_folder, "log-*").Order(StringComparer.Ordinal).Last();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Load_OfAnEmptyDirectory_IsNothing()
    {
        using var directory = Open();
        Assert.Null(directory.Load());
    }

    [Fact]
    public void Load_AfterWritesAndDeletes_GivesBackWhatIsThere()
    {
        Run(store =>
        {
            Register(store, "a", "b", "c");
            store.Apply(new DeregisterService("b"));
            Register(store, "d");
        });
        Assert.Equal(["a", "c", "d"], Instances());
    }

    [Fact]
    public void Load_WithTheLastBatchCutAnywhere_GivesBackAllBefore()
    {
        Run(store => Register(store, "a"));
        var before = File.ReadAllBytes(NewestLog).Length;
        Run(store => Register(store, "b"));
        var whole = File.ReadAllBytes(NewestLog);
        var runs = Frames(whole, before);
        for (var length = runs[^1]; length < whole.Length; length += 3)
        {
            File.WriteAllBytes(NewestLog, whole[..length]);
            Assert.Equal(["a"], Instances());
            Assert.Equal(runs[^1], new FileInfo(NewestLog).Length);
        }
    }

    [Fact]
    public void Load_WithRubbishAtTheEnd_CutsItAndSaysSo()
    {
        Run(store => Register(store, "a"));
        File.AppendAllText(NewestLog, "rubbish");
        Assert.Equal(["a"], Instances());
        Assert.Contains("cut off at byte", Assert.Single(_logger.Messages), StringComparison.Ordinal);
        Assert.Equal(["a"], Instances());
        Assert.Single(_logger.Messages);
    }

    [Fact]
    public void Load_WithAFlippedBitAnywhereBeforeTheLastBatch_IsRefusedAndChangesNothing()
    {
        Run(store => Register(store, "a", "b", "c"));
        var whole = File.ReadAllBytes(NewestLog);
        var last = Frames(whole, LogFormat.FileStart)[^1];
        for (var position = 0; position < last; position += 7)
        {
            var damaged = (byte[])whole.Clone();
            damaged[position] ^= 0x10;
            File.WriteAllBytes(NewestLog, damaged);
            using (var directory = Open())
            {
                var error = Assert.Throws<InvalidDataException>(() => directory.Load());
                Assert.Contains("Restore the directory from a backup", error.Message, StringComparison.Ordinal);
            }

            Assert.Equal(damaged, File.ReadAllBytes(NewestLog));
        }
    }

    [Fact]
    public void Load_AfterManyLogs_GivesBackTheSameAndKeepsFewFiles()
    {
        Run(
            store =>
            {
                for (var i = 0; i < 300; i++)
                {
                    Register(store, $"s{i % 50}-{i / 100}");
                }
            },
            minLogBytes: 4096);
        Assert.Equal(150, Instances().Count);
        Assert.Single(Directory.GetFiles(_folder, "snapshot-*"));
        Assert.InRange(Directory.GetFiles(_folder, "log-*").Length, 1, 2);
    }

    [Fact]
    public void Load_WithADamagedSnapshot_IsRefused()
    {
        Run(store => Register(store, Enumerable.Range(0, 100).Select(i => $"s{i}").ToArray()), minLogBytes: 4096);
        var path = Assert.Single(Directory.GetFiles(_folder, "snapshot-*"));
        var content = File.ReadAllBytes(path);
        File.WriteAllBytes(path, content[..^1]);
        using var directory = Open();
        Assert.Contains(path, Assert.Throws<InvalidDataException>(() => directory.Load()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_WithAMissingLog_IsRefused()
    {
        Run(store => Register(store, Enumerable.Range(0, 100).Select(i => $"s{i}").ToArray()), minLogBytes: 4096);
        foreach (var log in Directory.GetFiles(_folder, "log-*"))
        {
            File.Delete(log);
        }

        using var directory = Open();
        Assert.Contains("missing", Assert.Throws<InvalidDataException>(() => directory.Load()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_OfAnotherFormatVersion_IsRefused()
    {
        Run(store => Register(store, "a"));
        var content = File.ReadAllBytes(NewestLog);
        content[8] = 9;
        File.WriteAllBytes(NewestLog, content);
        using var directory = Open();
        Assert.Contains("format version 9", Assert.Throws<InvalidDataException>(() => directory.Load()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Restore_OfATableThatIsNotKnown_IsRefused()
    {
        using var seal = StateSeal.Create();
        var error = Assert.Throws<InvalidDataException>(() => StateTables.Restore(
            Empty(1), [new StoredRow("later", "k", new byte[] { 1 })], new RestoreContext(Now, seal, new StateChange(1))));
        Assert.Contains("'later'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Index_OfALaterRun_IsAboveAllOfTheEarlierAlsoWhenNothingWasFlushed()
    {
        ulong highest = 0;
        Run(store =>
        {
            Register(store, "a");
            for (var i = 0; i < 10; i++)
            {
                // Soft writes only: they move the index and flush nothing.
                highest = store.Apply(new SoftTouch()).Index;
            }
        });
        using var directory = Open();
        Assert.True(directory.Load()!.Index > highest);
    }

    [Fact]
    public void Index_BeyondTheReserve_IsReservedAnewBeforeItIsGivenOut()
    {
        ulong highest = 0;
        Run(
            store =>
            {
                Register(store, "a");
                highest = store.Apply(new SoftTouch(StateDirectory.IndexReserve + 5)).Index;
                highest = store.Apply(new SoftTouch()).Index;
            });
        using var directory = Open();
        Assert.True(directory.Load()!.Index > highest);
    }

    [Fact]
    public void Open_OfADirectoryInUse_IsRefused()
    {
        using var first = Open();
        var error = Assert.Throws<IOException>(Open);
        Assert.Contains("another server", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_UnderAFile_SaysWhatIsWrong()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, string.Empty);
        var error = Assert.Throws<IOException>(() => new StateDirectory(Path.Combine(file, "data"), NullLogger<StateDirectory>.Instance));
        Assert.Contains("cannot be made", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FlushDirectory_OfADirectoryThatIsThereOrNot_TellsSo()
    {
        Assert.True(DurableFile.FlushDirectory(_folder));
        if (!OperatingSystem.IsWindows())
        {
            var error = Assert.Throws<IOException>(() => DurableFile.FlushDirectory(Path.Combine(_folder, "absent")));
            Assert.Contains("No such file or directory", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Append_WhoseFlushFails_GoesBackToTheLastFlushAndStoresWhatWasSoftOnceMore()
    {
        var isFailing = false;
        using (var directory = new StateDirectory(_folder, _logger, flush: file =>
        {
            if (isFailing)
            {
                throw new IOException("Input/output error");
            }

            DurableFile.FlushData(file);
        }))
        {
            directory.Load();
            using var store = new StateStore(Empty(1), directory, new WatchHub());
            var check = new CheckDefinition("c", "c", "", TimeSpan.FromMinutes(1), null, null);
            store.Apply(new RegisterService(new ServiceDefinition { Id = "web", Name = "web", Port = 80 }, [check], false, Now));
            var flushed = new FileInfo(NewestLog).Length;
            store.Apply(new SetCheckStatus("c", CheckStatus.Passing, "ok", Now));
            Assert.True(new FileInfo(NewestLog).Length > flushed);
            isFailing = true;
            Assert.Throws<StateNotStoredException>(() => store.Apply(new SetKey("refused", [1], 0, null)));
            Assert.Equal(flushed, new FileInfo(NewestLog).Length);
            isFailing = false;
            store.Apply(new SetKey("stored", [1], 0, null));
        }

        using var again = Open();
        var state = StateTables.Restore(Empty(1), again.Load()!.Rows, new RestoreContext(Now, again.Seal, new StateChange(1)));
        Assert.Equal(["stored"], state.Keys.All.Select(entry => entry.Key));
        Assert.Equal(CheckStatus.Passing, state.Catalog.FindCheck("c", out _)!.Status);
    }

    [Fact]
    public void Replace_ThatFailsHalfway_KeepsTheOldContentAndLeavesNoPartBehind()
    {
        var path = Path.Combine(_folder, "file");
        DurableFile.Replace(path, "old"u8.ToArray());
        Assert.Throws<IOException>(() => DurableFile.Replace(path, file =>
        {
            file.Write(new byte[100_000]);
            throw new IOException("No space left on device");
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(_folder));
    }

    private static ServerState Empty(ulong index) =>
        ServerState.CreateEmpty(index, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", index), Now);

    private static void Register(StateStore store, params string[] names)
    {
        foreach (var name in names)
        {
            store.Apply(new RegisterService(new ServiceDefinition { Id = name, Name = name, Port = 80 }, default, false, Now));
        }
    }

    // Where each frame begins, from a place on.
    private static List<int> Frames(byte[] file, int from)
    {
        var starts = new List<int>();
        while (LogFormat.TryReadFrame(file, from, out _, out _, out var end))
        {
            starts.Add(from);
            from = end;
        }

        return starts;
    }

    private StateDirectory Open() => new(_folder, _logger);

    private void Run(Action<StateStore> write, long minLogBytes = StateDirectory.DefaultLogBytes)
    {
        using var directory = new StateDirectory(_folder, _logger, minLogBytes);
        var stored = directory.Load();
        var first = (stored?.Index ?? 0) + 1;
        var state = stored is null
            ? Empty(first)
            : StateTables.Restore(Empty(first), stored.Rows, new RestoreContext(Now, directory.Seal, new StateChange(first)));
        using var store = new StateStore(state, directory, new WatchHub());
        write(store);
    }

    private List<string> Instances()
    {
        using var directory = Open();
        var stored = directory.Load()!;
        return [.. StateTables.Restore(Empty(1), stored.Rows, new RestoreContext(Now, directory.Seal, new StateChange(1)))
            .Catalog.Instances.Keys.Order(StringComparer.Ordinal)];
    }
}

/// <summary>Moves the index and stores nothing.</summary>
internal sealed record SoftTouch(ulong By = 1) : StateCommand
{
    public override bool IsSoft => true;

    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (By == 1)
        {
            change.Touch(Topic.Checks);
            return state with { };
        }

        return state with { Index = state.Index + By };
    }
}
