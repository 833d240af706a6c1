using Xunit;

namespace MeshClient.TestSupport;

/// <summary>The real <c>consul</c>: the program named by <c>CONSUL_BIN</c>, or in <c>PATH</c>, or had by <c>tests/get-consul.sh</c>.</summary>
internal static class ConsulBinary
{
    /// <summary>Where it is, or why it cannot be had.</summary>
    public static async Task<(string? Path, string? WhyNot)> FindAsync()
    {
        if (Environment.GetEnvironmentVariable("CONSUL_BIN") is { Length: > 0 } named)
        {
            return File.Exists(named) ? (named, null) : (null, "CONSUL_BIN names no file");
        }

        var name = OperatingSystem.IsWindows() ? "consul.exe" : "consul";
        var inPath = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator)
            .Where(folder => folder.Length > 0).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return inPath is null ? await PeerScript.RunAsync("get-consul.sh") : (inPath, null);
    }

    /// <summary>Where it is; skips the test when it cannot be had, or fails it with <c>MESHCLIENT_REQUIRE_CONSUL=1</c>.</summary>
    public static async Task<string> RequireAsync()
    {
        var (path, whyNot) = await FindAsync();
        if (path is null && Environment.GetEnvironmentVariable("MESHCLIENT_REQUIRE_CONSUL") == "1")
        {
            Assert.Fail($"A real Consul is required and cannot be had: {whyNot}");
        }

        if (path is null)
        {
            Assert.Skip($"No real Consul: {whyNot}");
        }

        return path;
    }
}
