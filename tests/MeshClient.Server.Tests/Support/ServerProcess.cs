using System.Diagnostics;
using System.Text.RegularExpressions;

namespace MeshClient.Server.Tests.Support;

/// <summary>The registry as a process of its own, so that it can be killed like one.</summary>
internal sealed partial class ServerProcess : IDisposable
{
    private readonly Process _process;

    private ServerProcess(Process process, Uri address)
    {
        _process = process;
        Http = new HttpClient { BaseAddress = address, Timeout = TestServer.Limit };
    }

    public HttpClient Http { get; }

    /// <summary>Starts it on a free port and waits until it listens.</summary>
    public static async Task<ServerProcess> StartAsync(string dataDirectory)
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(here.Parent!.Parent!.FullName, "RegistryServer", here.Name, "RegistryServer.dll");
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in (string[])
            [program, "--MeshServer:ListenAddress", "http://127.0.0.1:0", "--MeshServer:DataDirectory", dataDirectory, "--Logging:LogLevel:Default", "Warning"])
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        var output = new List<string>();
        process.ErrorDataReceived += (_, line) => output.Add(line.Data ?? string.Empty);
        process.BeginErrorReadLine();
        while (await process.StandardOutput.ReadLineAsync(TestServer.Cancellation).AsTask().WaitAsync(TestServer.Limit, TestServer.Cancellation) is { } line)
        {
            output.Add(line);
            if (AddressPattern().Match(line) is { Success: true } match)
            {
                // Read on, so that a full pipe never holds the server up.
                _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
                return new ServerProcess(process, new Uri(match.Groups[1].Value));
            }
        }

        await process.WaitForExitAsync(TestServer.Cancellation);
        throw new InvalidOperationException($"The server ended by itself:\n{string.Join('\n', output)}");
    }

    /// <summary>Ends it at once (SIGKILL).</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Sends it a signal by name.</summary>
    public async Task SignalAsync(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{_process.Id}"]);
        await kill.WaitForExitAsync(TestServer.Cancellation);
        Assert.Equal(0, kill.ExitCode);
    }

    public void Dispose()
    {
        Http.Dispose();
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }

    [GeneratedRegex(@"The mesh is at (http://\S+:\d+)")]
    private static partial Regex AddressPattern();
}
