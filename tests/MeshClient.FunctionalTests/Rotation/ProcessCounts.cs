using System.Globalization;

namespace MeshClient.FunctionalTests.Rotation;

/// <summary>What this process holds at a moment, after everything that can be collected has been.</summary>
/// <param name="Sockets">Open sockets; -1 where the system does not tell.</param>
/// <param name="Handles">Open files of every kind, sockets among them; -1 where the system does not tell.</param>
/// <param name="HeapBytes">Live bytes of the managed heap.</param>
/// <param name="ResidentBytes">Memory of the process, native included; it falls late, if at all.</param>
internal sealed record ProcessCounts(int Sockets, int Handles, long HeapBytes, long ResidentBytes)
{
    private const string Descriptors = "/proc/self/fd";

    public static ProcessCounts Take()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        var (sockets, handles) = CountDescriptors();
        return new ProcessCounts(sockets, handles, GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Sockets} sockets, {Handles} handles, {HeapBytes / 1048576.0:F1} MiB of heap, {ResidentBytes / 1048576} MiB resident");

    private static (int Sockets, int Handles) CountDescriptors()
    {
        if (!Directory.Exists(Descriptors))
        {
            return (-1, -1);
        }

        var targets = new DirectoryInfo(Descriptors).EnumerateFileSystemInfos().Select(one => one.LinkTarget).ToList();
        return (targets.Count(target => target?.StartsWith("socket:", StringComparison.Ordinal) == true), targets.Count);
    }
}
