using System.Diagnostics;
using System.Net;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.State;

/// <summary>A disk without room, on a small file system of its own.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
    private bool _mounted;

    public void Dispose()
    {
        if (_mounted)
        {
            Run("umount", _folder);
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task AFullDisk_RefusesWritesKeepsTheRestGoingAndRecoversByItself()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root")
        {
            Assert.Skip("Only root can mount a small file system.");
            return;
        }

        _mounted = Run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", _folder) == 0;
        if (!_mounted)
        {
            Assert.Skip("A small file system could not be mounted here.");
            return;
        }

        var filler = Path.Combine(_folder, "filler");
        await File.WriteAllBytesAsync(filler, new byte[1024 * 1024], TestServer.Cancellation);
        var data = Path.Combine(_folder, "data");
        var acknowledged = new List<string>();
        await using (var server = await TestServer.StartAsync(options => options.DataDirectory = data))
        {
            await server.RegisterAsync("web");
            Answer answer;
            var value = new string('x', 100_000);
            for (var i = 0; ; i++)
            {
                answer = await server.PutAsync($"/v1/kv/k{i}", value);
                if (answer.Status != HttpStatusCode.OK)
                {
                    break;
                }

                acknowledged.Add($"k{i}");
            }

            Assert.NotEmpty(acknowledged);
            Assert.Equal((HttpStatusCode.InternalServerError, "The write was not done: the server's disk is full. Free space on it; then writes work again."), (answer.Status, answer.Body));
            Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync($"/v1/kv/k{acknowledged.Count}")).Status);

            // What is read, and what checks say, goes on: a full disk must not make every instance look dead.
            Assert.Equal(value, (await server.GetAsync("/v1/kv/k0?raw")).Body);
            await server.MustPutAsync("/v1/agent/check/warn/service:web?note=" + new string('n', 3000));
            Assert.Equal(CheckStatus.Warning, server.State.Catalog.FindCheck("service:web", out _)!.Status);

            File.Delete(filler);
            await server.MustPutAsync("/v1/kv/after", "v");
            acknowledged.Add("after");
        }

        await using var again = await TestServer.StartAsync(options => options.DataDirectory = data);
        Assert.Equal(acknowledged.Order(StringComparer.Ordinal), again.State.Keys.All.Select(entry => entry.Key));
    }

    private static int Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
