using System.Diagnostics;
using MeshClient.FunctionalTests.Grpc;

namespace MeshClient.FunctionalTests.Chaos;

/// <summary>Starts MeshClient.ChaosService as a process of its own.</summary>
internal static class ChaosService
{
    // What the test's own environment says must not reach it.
    private static readonly string[] Foreign = ["ASPNETCORE_", "DOTNET_URLS", "DOTNET_HTTP_PORTS", "MESH__", "CONSUL_"];

    /// <summary>Starts it; it says "ready" when it is.</summary>
    /// <param name="settings">Its configuration.</param>
    public static PeerProcess Start(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var built = new DirectoryInfo(AppContext.BaseDirectory);
        var start = new ProcessStartInfo("dotnet");
        foreach (var name in start.Environment.Keys.Where(name =>
            Foreign.Any(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))).ToList())
        {
            start.Environment.Remove(name);
        }

        start.ArgumentList.Add(Path.Combine(built.Parent!.Parent!.FullName, "MeshClient.ChaosService", built.Name, "MeshClient.ChaosService.dll"));
        foreach (var (key, value) in settings)
        {
            start.ArgumentList.Add($"--{key}");
            start.ArgumentList.Add(value ?? string.Empty);
        }

        return PeerProcess.Start(start);
    }
}
