using MeshClient.Server.Catalog;
using MeshClient.Server.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.State;

/// <summary>
/// Keeps the state in two small files. The one named holds the authority and the intentions, and is written before a change
/// of these is acknowledged. The one next to it holds the instances, so that a restarted registry does not list none until
/// they have registered again; it may lag a second behind, because what it misses registers itself.
/// </summary>
internal sealed class StateFile : IStateStorage
{
    /// <summary>How far the file of instances may lag behind.</summary>
    public static readonly TimeSpan CatalogDelay = TimeSpan.FromSeconds(1);

    /// <summary>When writing the instances is tried again after it failed, as on a full disk.</summary>
    public static readonly TimeSpan CatalogRetry = TimeSpan.FromSeconds(10);

    private readonly string _path;
    private readonly string _catalogPath;
    private readonly FileStream _lock;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _writingCatalog = new();
    private readonly Func<string, bool> _flushDirectory;
    private CatalogState? _pending;
    private bool _disposed;

    /// <param name="path">The file.</param>
    /// <param name="time">The clock of the delays.</param>
    /// <param name="logger">Where it logs.</param>
    /// <param name="flushDirectory">Makes a rename durable; null: <see cref="DurableFile.FlushDirectory"/>.</param>
    /// <exception cref="IOException">The directory cannot be written, or another server holds the file.</exception>
    public StateFile(string path, TimeProvider time, ILogger<StateFile> logger, Func<string, bool>? flushDirectory = null)
    {
        _flushDirectory = flushDirectory ?? DurableFile.FlushDirectory;
        _path = Path.GetFullPath(path);
        _catalogPath = _path + ".instances";
        _logger = logger;
        try
        {
            _lock = DurableFile.Open(_path + ".lock", FileMode.OpenOrCreate);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The state file '{_path}' cannot be used: another server holds it, or its directory cannot be written.", e);
        }

        _timer = time.CreateTimer(
            static state => ((StateFile)state!).WriteCatalog(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public StoredState? Load()
    {
        if (Read(_path) is not { } bytes)
        {
            return null;
        }

        try
        {
            return StateFileFormat.Read(bytes);
        }
        catch (InvalidDataException e)
        {
            // Not passed over: a new root would cut off the mesh, and forgotten intentions would open it.
            throw new InvalidDataException($"The state file '{_path}' cannot be used: {e.Message}. Restore it, or move it away to begin a new mesh.");
        }
    }

    public CatalogState LoadCatalog(CatalogState empty, ulong index, DateTimeOffset now)
    {
        try
        {
            return Read(_catalogPath) is { } bytes ? CatalogFileFormat.Restore(bytes, empty, index, now) : empty;
        }
        catch (InvalidDataException e)
        {
            // Passed over: the instances are alive to register again, and an empty list opens nothing.
            Log.CatalogUnreadable(_logger, _catalogPath, e.Message);
            return empty;
        }
    }

    public void Save(ServerState before, ServerState after)
    {
        if (!ReferenceEquals(before.Authority, after.Authority) || !ReferenceEquals(before.Intentions, after.Intentions))
        {
            Write(_path, StateFileFormat.Write(after));
        }

        if (before.Catalog.ServicesIndex != after.Catalog.ServicesIndex || before.Catalog.ChecksIndex != after.Catalog.ChecksIndex)
        {
            // Only the first change of a batch starts the delay, so a steady stream of them cannot put the file off for ever.
            if (Interlocked.Exchange(ref _pending, after.Catalog) is null)
            {
                _timer.Change(CatalogDelay, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        WriteCatalog();
        lock (_writingCatalog)
        {
            _disposed = true;
            _lock.Dispose();
        }
    }

    private void WriteCatalog()
    {
        lock (_writingCatalog)
        {
            if (_disposed || Interlocked.Exchange(ref _pending, null) is not { } catalog)
            {
                return;
            }

            try
            {
                Write(_catalogPath, CatalogFileFormat.Write(catalog));
            }
            catch (IOException e)
            {
                Log.CatalogNotWritten(_logger, e, _catalogPath);
                if (Interlocked.CompareExchange(ref _pending, catalog, null) is null)
                {
                    _timer.Change(CatalogRetry, Timeout.InfiniteTimeSpan);
                }
            }
        }
    }

    // Once the file is renamed, the change has happened: whoever reads the file sees it. So a directory that cannot be
    // flushed refuses nothing, or a caller would be told of a failure that comes into force with the next start.
    private void Write(string path, byte[] content)
    {
        if (!_flushDirectory(DurableFile.Replace(path, content)))
        {
            Log.DirectoryNotFlushed(_logger, path);
        }
    }

    private static byte[]? Read(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"The file '{path}' cannot be read.", e);
        }
    }
}
