using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace MeshClient.TestSupport;

/// <summary>
/// A real Consul agent in development mode on 127.0.0.1, for one test class. Where the binary cannot be had, the tests that
/// ask for <see cref="Address"/> are reported as skipped, with the reason; with the environment variable
/// <c>MESHCLIENT_REQUIRE_CONSUL=1</c> they fail.
/// </summary>
/// <remarks>The binary is looked for in <c>CONSUL_BIN</c>, in <c>PATH</c>, and then with <c>tests/get-consul.sh</c>.</remarks>
public class RealConsul : IAsyncLifetime
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    /// <summary>Demands tokens when it is set, and takes this one for everything.</summary>
    protected virtual string? ManagementToken => null;

    private Process? _process;
    private Uri? _address;
    private string? _whyNot;

    /// <summary>Where its HTTP API is. Skips the test, or fails it, when there is none.</summary>
    public Uri Address
    {
        get
        {
            if (_address is null && Environment.GetEnvironmentVariable("MESHCLIENT_REQUIRE_CONSUL") == "1")
            {
                Assert.Fail($"A real Consul is required and cannot be had: {_whyNot}");
            }

            if (_address is null)
            {
                Assert.Skip($"No real Consul: {_whyNot}");
            }

            return _address;
        }
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        var (binary, whyNot) = await ConsulBinary.FindAsync();
        if (binary is null)
        {
            _whyNot = whyNot;
            return;
        }

        // A free port may be taken by somebody else before the agent binds it.
        for (var attempt = 0; attempt < 3 && _address is null; attempt++)
        {
            await StartAsync(binary);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        GC.SuppressFinalize(this);
    }

    private async Task StartAsync(string binary)
    {
        var ports = FreePorts.Find(4);
        string Port(int i) => ports[i].ToString(CultureInfo.InvariantCulture);

        // Development mode keeps everything in memory, so there is no data to delete.
        var start = new ProcessStartInfo(binary,
        [
            "agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-node", "contract-node", "-disable-host-node-id",
            "-http-port", Port(0), "-server-port", Port(1), "-serf-lan-port", Port(2), "-serf-wan-port", Port(3),
            "-dns-port", "-1", "-grpc-port", "-1", "-log-level", "err", "-hcl", "disable_update_check = true",
            .. ManagementToken is { } token
                ? (string[])["-hcl", $"acl {{ enabled = true default_policy = \"deny\" tokens {{ master = \"{token}\" }} }}"]
                : [],
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();

        var address = new Uri($"http://127.0.0.1:{Port(0)}");
        using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(5) };
        if (ManagementToken is { } management)
        {
            http.DefaultRequestHeaders.Add("X-Consul-Token", management);
        }

        using var limit = new CancellationTokenSource(StartLimit, TimeProvider.System);
        while (!limit.IsCancellationRequested && !_process.HasExited)
        {
            if (await IsReadyAsync(http))
            {
                _address = address;
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        _whyNot = _process.HasExited ? $"the agent ended with code {_process.ExitCode}" : $"the agent had no leader and CA within {StartLimit}";
        await StopAsync();
    }

    // With a leader elected, the CA is made a moment later, and the node is listed another moment later.
    private static async Task<bool> IsReadyAsync(HttpClient http)
    {
        try
        {
            return (await http.GetStringAsync("v1/status/leader")).Length > "\"\"".Length
                && (await http.GetStringAsync("v1/agent/connect/ca/roots")).Contains("BEGIN CERTIFICATE", StringComparison.Ordinal)
                && (await http.GetStringAsync("v1/health/node/contract-node")).Contains("serfHealth", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    private async Task StopAsync()
    {
        if (_process is null)
        {
            return;
        }

        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10), TimeProvider.System);
        await _process.WaitForExitAsync(limit.Token);
        _process.Dispose();
        _process = null;
    }
}
