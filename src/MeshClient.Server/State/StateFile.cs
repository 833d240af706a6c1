using System.Runtime.InteropServices;

namespace MeshClient.Server.State;

/// <summary>
/// Keeps the authority and the intentions in one small file. Written whole on each change of these: into a new file next to
/// it, flushed to the disk, renamed over the old one, and the directory flushed too, so whatever happens there is either the
/// old state or the new one, and what was acknowledged is there after a loss of power.
/// </summary>
internal sealed partial class StateFile : IStateStorage
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;
    private readonly FileStream _lock;

    /// <exception cref="IOException">The directory cannot be written, or another server holds the file.</exception>
    public StateFile(string path)
    {
        _path = Path.GetFullPath(path);
        try
        {
            _lock = Open(_path + ".lock", FileMode.OpenOrCreate);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The state file '{_path}' cannot be used: another server holds it, or its directory cannot be written.", e);
        }
    }

    public StoredState? Load()
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(_path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"The state file '{_path}' cannot be read.", e);
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

    public void Save(ServerState before, ServerState after)
    {
        if (ReferenceEquals(before.Authority, after.Authority) && ReferenceEquals(before.Intentions, after.Intentions))
        {
            return;
        }

        var temporary = _path + ".new";
        try
        {
            // What a crash may have left; a fresh file has the right mode from its beginning.
            File.Delete(temporary);
            using (var file = Open(temporary, FileMode.CreateNew))
            {
                file.Write(StateFileFormat.Write(after));
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, _path, overwrite: true);
            FlushDirectory();
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"The state file '{_path}' cannot be written.", e);
        }
    }

    public void Dispose() => _lock.Dispose();

    private static FileStream Open(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return new FileStream(path, options);
    }

    // A rename is durable once its directory is; .NET opens no directories. Windows does this by itself.
    private void FlushDirectory()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        const int readOnly = 0;
        var descriptor = Libc.Open(Path.GetDirectoryName(_path)!, readOnly);
        if (descriptor < 0)
        {
            throw new IOException("The directory of the state file cannot be opened.");
        }

        var flushed = Libc.Flush(descriptor);
        _ = Libc.Close(descriptor);
        if (flushed != 0)
        {
            throw new IOException("The directory of the state file cannot be flushed to the disk.");
        }
    }

    private static partial class Libc
    {
        [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial int Open(string path, int flags);

        [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial int Flush(int descriptor);

        [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial int Close(int descriptor);
    }
}
