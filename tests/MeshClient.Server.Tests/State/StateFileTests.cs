using MeshClient.Server.Catalog;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.State;
using MeshClient.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Server.Tests.State;

/// <summary>What becomes of writes the disk does not take.</summary>
public sealed class StateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
    private readonly FakeTimeProvider _time = new();

    private string StatePath => Path.Combine(_folder, "state.json");

    private string CatalogPath => StatePath + ".instances";

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Save_WhenTheDirectoryCannotBeFlushed_IsInForceAsItIsInTheFile()
    {
        var flushed = new List<string>();
        using var file = new StateFile(StatePath, _time, NullLogger<StateFile>.Instance, path =>
        {
            flushed.Add(path);
            return false;
        });
        var store = Store(file);
        var (root, key) = RootFactory.Create("11111111-2222-3333-4444-555555555555.consul", 256, _time.GetUtcNow());
        store.Apply(new InitializeAuthority(
            "11111111-2222-3333-4444-555555555555.consul", root, key,
            new CaConfiguration { LeafLifetime = TimeSpan.FromHours(72), LeafLifetimeText = "72h" }));
        Assert.Equal([_folder], flushed);
        Assert.NotNull(store.Current.Authority);
        Assert.Equal(store.Current.Authority.Active.Id, file.Load()!.Authority.Active.Id);
    }

    [Fact]
    public void FlushDirectory_OfADirectoryThatIsThereOrNot_TellsSo()
    {
        Assert.True(DurableFile.FlushDirectory(_folder));
        if (!OperatingSystem.IsWindows())
        {
            Assert.False(DurableFile.FlushDirectory(Path.Combine(_folder, "absent")));
        }
    }

    [Fact]
    public void Instances_ThatCouldNotBeWritten_AreWrittenLater()
    {
        using var file = new StateFile(StatePath, _time, NullLogger<StateFile>.Instance);
        var store = Store(file);
        Directory.CreateDirectory(CatalogPath + ".new");
        Register(store, "first");
        _time.Advance(StateFile.CatalogDelay);
        Assert.False(File.Exists(CatalogPath));
        Directory.Delete(CatalogPath + ".new");
        _time.Advance(StateFile.CatalogRetry);
        Assert.Contains("first", File.ReadAllText(CatalogPath), StringComparison.Ordinal);
    }

    [Fact]
    public void Instances_ThatCouldNotBeWrittenAndChangedSince_AreWrittenAsTheyAre()
    {
        using var file = new StateFile(StatePath, _time, NullLogger<StateFile>.Instance);
        var store = Store(file);
        Directory.CreateDirectory(CatalogPath + ".new");
        Register(store, "first");
        _time.Advance(StateFile.CatalogDelay);
        Register(store, "second");
        Directory.Delete(CatalogPath + ".new");
        _time.Advance(StateFile.CatalogRetry);
        Assert.Contains("second", File.ReadAllText(CatalogPath), StringComparison.Ordinal);
    }

    private StateStore Store(StateFile file) => new(
        ServerState.CreateEmpty(1, new NodeRecord("id", "n1", "127.0.0.1", "dc1", 1, 1), _time.GetUtcNow()), file, new WatchHub());

    private void Register(StateStore store, string name) => store.Apply(
        new RegisterService(new ServiceDefinition { Id = name, Name = name, Port = 80 }, default, false, _time.GetUtcNow()));
}
