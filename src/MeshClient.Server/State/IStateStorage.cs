using MeshClient.Server.Catalog;

namespace MeshClient.Server.State;

/// <summary>Where state outlives the process. One writer at a time calls it, before anybody sees the new state.</summary>
internal interface IStateStorage : IDisposable
{
    /// <summary>What was stored, or null when nothing ever was.</summary>
    /// <exception cref="InvalidDataException">Something is there that cannot be read.</exception>
    StoredState? Load();

    /// <summary>The instances that were stored, in the catalog of a new run; that catalog itself when none were.</summary>
    CatalogState LoadCatalog(CatalogState empty, ulong index, DateTimeOffset now);

    /// <summary>Makes a change durable, as far as this storage keeps what changed.</summary>
    /// <exception cref="IOException">It could not be stored; the change must not happen.</exception>
    void Save(ServerState before, ServerState after);
}

/// <summary>Keeps nothing.</summary>
internal sealed class MemoryStateStorage : IStateStorage
{
    public StoredState? Load() => null;

    public CatalogState LoadCatalog(CatalogState empty, ulong index, DateTimeOffset now) => empty;

    public void Save(ServerState before, ServerState after)
    {
    }

    public void Dispose()
    {
    }
}
