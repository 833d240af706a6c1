using System.Runtime.InteropServices;

namespace MeshClient.Server.State;

/// <summary>
/// Writes a whole file so that whatever happens there is either the old content or the new one, and the new one is there
/// after a loss of power: into a new file next to it, flushed to the disk, renamed over the old one, and the directory
/// flushed too. Only the owner may read it.
/// </summary>
internal static partial class DurableFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var temporary = path + ".new";
        try
        {
            // What a crash may have left; a fresh file has the right mode from its beginning.
            File.Delete(temporary);
            using (var file = Open(temporary, FileMode.CreateNew))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            FlushDirectory(Path.GetDirectoryName(path)!);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"The file '{path}' cannot be written.", e);
        }
    }

    /// <summary>Opens a file for one holder alone.</summary>
    public static FileStream Open(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return new FileStream(path, options);
    }

    // A rename is durable once its directory is; .NET opens no directories. Windows does this by itself.
    private static void FlushDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        const int readOnly = 0;
        var descriptor = Libc.Open(path, readOnly);
        if (descriptor < 0)
        {
            throw new IOException($"The directory '{path}' cannot be opened.");
        }

        var flushed = Libc.Flush(descriptor);
        _ = Libc.Close(descriptor);
        if (flushed != 0)
        {
            throw new IOException($"The directory '{path}' cannot be flushed to the disk.");
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
