using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MeshClient.Restart;

/// <summary>
/// A file that only the user this process runs as may read or write, in a directory in which only that user may write. On Windows
/// there are no such modes: who may read the file there is what its directory says, and is not checked.
/// </summary>
internal sealed partial class OwnerOnlyFile(string path)
{
    private const string Unfinished = ".new";
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    // What a control plane says of the services one process calls is far below this; what is larger was not written by us.
    private const long MaxSize = 256 * 1024 * 1024;

    private readonly string _directory = Path.GetDirectoryName(Path.GetFullPath(path))!;

    public string FullPath { get; } = Path.GetFullPath(path);

    /// <summary>Reads it.</summary>
    /// <returns>All of it; null when there is none.</returns>
    /// <exception cref="StateRefusedException">It, or its directory, is not ours alone.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public byte[]? Read()
    {
        if (!Directory.Exists(_directory))
        {
            return null;
        }

        CheckDirectory();
        var file = new FileInfo(FullPath);
        if (!file.Exists && file.LinkTarget is null)
        {
            return null;
        }

        CheckFile(file);
        DeleteLeftovers(file);
        if (file.Length > MaxSize)
        {
            throw new StateRefusedException($"it is larger than {MaxSize} bytes");
        }

        return File.ReadAllBytes(FullPath);
    }

    /// <summary>Writes it anew: whatever happens, there is the old content or the new.</summary>
    /// <exception cref="StateRefusedException">Others may write in its directory.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public void Replace(params ReadOnlySpan<byte[]> parts)
    {
        MakeDirectory();
        CheckDirectory();
        // A name nobody can foresee and a file that must not be there yet: nothing that was put in its place is written to.
        var temporary = $"{FullPath}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}{Unfinished}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = Owner;
        }

        try
        {
            using (var stream = new FileStream(temporary, options))
            {
                foreach (var part in parts)
                {
                    stream.Write(part);
                }

                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, FullPath, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    // What a crash may have left half written. A copy of this service that is writing at this moment has begun after the last
    // write; should it have begun before another copy's, its write fails and is repeated.
    private void DeleteLeftovers(FileInfo file)
    {
        foreach (var leftover in new DirectoryInfo(_directory).EnumerateFiles($"{file.Name}.*{Unfinished}"))
        {
            if (leftover.LastWriteTimeUtc < file.LastWriteTimeUtc)
            {
                leftover.Delete();
            }
        }
    }

    private void MakeDirectory()
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(_directory);
        }
        else if (!Directory.Exists(_directory))
        {
            Directory.CreateDirectory(_directory, Owner | UnixFileMode.UserExecute);
        }
    }

    private void CheckDirectory()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        if ((File.GetUnixFileMode(_directory) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
        {
            throw new StateRefusedException(
                $"others may write in its directory '{_directory}'; take that right from them, or name a directory below it that is not there yet");
        }

        CheckOwner(_directory, $"its directory '{_directory}'");
    }

    private static void CheckFile(FileInfo file)
    {
        if (file.LinkTarget is not null || (file.Attributes & (FileAttributes.Directory | FileAttributes.Device)) != 0)
        {
            throw new StateRefusedException("it is a link or no ordinary file");
        }

        if (OperatingSystem.IsWindows())
        {
            return;
        }

        if ((file.UnixFileMode & Others) != 0)
        {
            throw new StateRefusedException("others than its owner may read or write it");
        }

        CheckOwner(file.FullName, "it");
    }

    // Whoever may not read a file cannot have been shown it, but root may read all.
    private static void CheckOwner(string path, string what)
    {
        if (OwnerOf(path) is { } owner && owner != Libc.EffectiveUser() && owner != 0)
        {
            throw new StateRefusedException($"{what} belongs to another user ({owner})");
        }
    }

    private static uint? OwnerOf(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        // statx(2): the one call whose answer has the same layout on every architecture; the owner is its sixth word.
        const int size = 256;
        const int owner = 20;
        const uint wantsOwner = 8;
        const int atWorkingDirectory = -100;
        Span<byte> answer = stackalloc byte[size];
        try
        {
            return Libc.Status(atWorkingDirectory, path, 0, wantsOwner, answer) == 0 ? MemoryMarshal.Read<uint>(answer[owner..]) : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    private static partial class Libc
    {
        [LibraryImport("libc", EntryPoint = "geteuid")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial uint EffectiveUser();

        [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static partial int Status(int directory, string path, int flags, uint mask, Span<byte> answer);
    }
}
