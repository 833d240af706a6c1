namespace MeshClient.FunctionalTests;

/// <summary>Where the repository is, for tests about its own files. Not told by the compiler: that would be a made-up path in a deterministic build.</summary>
internal static class RepositoryRoot
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder!.FullName, "MeshClient.sln")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }
}
