using System.Globalization;
using MeshClient.Server;

namespace MeshClient.Benchmarks.Registry;

/// <summary>The process on the other side: MeshClient.Server with its data on disk, until its process is ended.</summary>
internal static class RegistryServer
{
    public static async Task<int> RunAsync(int port, string folder)
    {
        await using var server = new MeshServer(new MeshServerOptions
        {
            ListenAddress = new Uri($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}"),
            DataDirectory = folder,
            MaxLeavesPerSecond = 0,
        });
        await server.StartAsync();
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
        return 0;
    }
}
