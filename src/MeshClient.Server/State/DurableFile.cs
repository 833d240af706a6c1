using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MeshClient.Server.State;

/// <summary>
/// Writes a whole file so that whatever happens there is either the old content or the new one, and the new one is there
/// after a loss of power: into a new file next to it, flushed to the disk, renamed over the old one, and then the directory
/// flushed too. Only the owner may read it. Two steps, because what fails in the first has not happened, and what fails in
/// the second has.
/// </summary>
internal static partial class DurableFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes a file.</summary>
    /// <param name="path">The whole path.</param>
    /// <param name="content">All of the content.</param>
    /// <returns>The directory, which is left to be flushed by <see cref="FlushDirectory"/>.</returns>
    /// <exception cref="IOException">It cannot be written; the old content is still there.</exception>
    public static string Replace(string path, byte[] content) => Replace(path, file => file.Write(content));

    /// <summary>Writes a file.</summary>
    /// <param name="path">The whole path.</param>
    /// <param name="write">Writes all of the content.</param>
    /// <returns>The directory, which is left to be flushed by <see cref="FlushDirectory"/>.</returns>
    /// <exception cref="IOException">It cannot be written; the old content is still there.</exception>
    public static string Replace(string path, Action<Stream> write)
    {
        var temporary = path + ".new";
        try
        {
            // What a crash may have left; a fresh file has the right mode from its beginning.
            File.Delete(temporary);
            using (var file = Open(temporary, FileMode.CreateNew))
            {
                write(file);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            return Path.GetDirectoryName(path)!;
        }
        catch (Exception e)
        {
            DeleteIfPossible(temporary);
            if (e is UnauthorizedAccessException)
            {
                throw new IOException($"The file '{path}' cannot be written.", e);
            }

            throw;
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

    /// <summary>
    /// Makes what was written to a file durable. On Linux by fdatasync, which leaves out times nobody reads and so spares the
    /// file system a write.
    /// </summary>
    /// <exception cref="IOException">It could not be made durable.</exception>
    public static void FlushData(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux())
        {
            RandomAccess.FlushToDisk(file);
        }
        else if (Libc.FlushData(file) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
        }
    }

    /// <summary>Whether it failed because there is no room: ENOSPC, EDQUOT, and ERROR_DISK_FULL of Windows.</summary>
    public static bool IsDiskFull(Exception e) => (e.HResult & 0xFFFF) is 28 or 122 or 112;

    /// <summary>
    /// Makes a rename durable, which it is once its directory is; .NET opens no directories. Windows does this by itself.
    /// </summary>
    /// <returns>
    /// Whether it is; false from file systems that flush no directories, where the new content is in place, and only a loss of
    /// power may bring the old one back.
    /// </returns>
    /// <exception cref="IOException">It could not be flushed.</exception>
    public static bool FlushDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return true;
        }

        const int readOnly = 0;
        const int invalid = 22;
        var descriptor = Libc.Open(path, readOnly);
        var isFlushed = descriptor >= 0 && Libc.Flush(descriptor) == 0;
        var error = Marshal.GetLastPInvokeError();
        if (descriptor >= 0)
        {
            _ = Libc.Close(descriptor);
        }

        return isFlushed || (descriptor >= 0 && error == invalid)
            ? isFlushed
            : throw new IOException($"The directory '{path}' cannot be flushed to the disk: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    /// <summary>Deletes what was left by something that failed; a part of a file would keep a full disk full.</summary>
    public static void DeleteIfPossible(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to tell of; the next start deletes it.
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

        [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial int FlushData(SafeFileHandle file);

        [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial int Close(int descriptor);
    }
}
