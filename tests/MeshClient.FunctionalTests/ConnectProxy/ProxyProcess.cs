using System.Collections.Concurrent;
using System.Diagnostics;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>A running <c>consul connect proxy</c>.</summary>
internal sealed class ProxyProcess : IAsyncDisposable
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _log = new();

    private ProxyProcess(Process process) => _process = process;

    /// <summary>Starts one and waits until it listens.</summary>
    /// <param name="cli">The command, and where its registry is.</param>
    /// <param name="port">A port it opens.</param>
    /// <param name="arguments">What follows <c>connect proxy</c>.</param>
    public static async Task<ProxyProcess> StartAsync(ConsulCli cli, int port, params string[] arguments)
    {
        var proxy = new ProxyProcess(await cli.StartAsync(["connect", "proxy", "-log-level=warn", .. arguments]));
        try
        {
            proxy._process.OutputDataReceived += (_, line) => proxy._log.Enqueue(line.Data ?? string.Empty);
            proxy._process.ErrorDataReceived += (_, line) => proxy._log.Enqueue(line.Data ?? string.Empty);
            proxy._process.BeginOutputReadLine();
            proxy._process.BeginErrorReadLine();
            await MeshHosts.WaitUntilAsync(async () =>
            {
                Assert.False(proxy._process.HasExited, $"The proxy has ended: {string.Join(Environment.NewLine, proxy._log)}");
                return await FreePorts.IsListenedOnAsync(port, MeshHosts.Cancellation);
            });
            return proxy;
        }
        catch
        {
            await proxy.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        using var limit = new CancellationTokenSource(EndLimit, TimeProvider.System);
        await _process.WaitForExitAsync(limit.Token);
        _process.Dispose();
    }
}
