using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace MeshClient.Benchmarks.Registry;

/// <summary>A registry in a process of its own, with its data on disk: ours, or a real Consul.</summary>
internal sealed class RegistryProcess : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly string _folder;
    private readonly bool _ownsFolder;
    private readonly Process _process;
    private bool _isDisposed;

    private RegistryProcess(string name, string folder, bool ownsFolder, int port, ProcessStartInfo start)
    {
        (Name, _folder, _ownsFolder, Port) = (name, folder, ownsFolder, port);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Name { get; }

    public int Port { get; }

    /// <summary>How long it took from the start of the process until it answered a read.</summary>
    public TimeSpan StartTime { get; private set; }

    /// <summary>Resident memory, in bytes (Linux: VmRSS).</summary>
    public long Resident
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Starts ours: this program again, as a server.</summary>
    /// <param name="folder">Its data, of an earlier run; null: a new folder.</param>
    public static Task<RegistryProcess> StartOursAsync(string? folder = null)
    {
        var port = FreePort();
        var data = folder ?? NewFolder();
        var start = new ProcessStartInfo(
            Environment.ProcessPath!, ["registry-server", port.ToString(CultureInfo.InvariantCulture), data]);
        // As the command "meshclient" is set; see its project file.
        start.Environment["DOTNET_TieredPGO"] = "0";
        return new RegistryProcess("MeshClient.Server", data, folder is null, port, start).UntilReadyAsync();
    }

    /// <summary>Starts a single Consul server on disk, with the limits off that would bound it.</summary>
    public static Task<RegistryProcess> StartConsulAsync(string binary)
    {
        var port = FreePort();
        var data = NewFolder();
        var start = new ProcessStartInfo(binary,
        [
            "agent", "-server", "-bootstrap-expect", "1", "-data-dir", data, "-bind", "127.0.0.1", "-client", "127.0.0.1",
            "-http-port", port.ToString(CultureInfo.InvariantCulture), "-dns-port", "-1",
            "-server-port", FreePort().ToString(CultureInfo.InvariantCulture),
            "-serf-lan-port", FreePort().ToString(CultureInfo.InvariantCulture),
            "-serf-wan-port", FreePort().ToString(CultureInfo.InvariantCulture),
            "-log-level", "warn", "-node", "bench",
            "-hcl", "connect { enabled = true ca_config { csr_max_per_second = 0 csr_max_concurrent = 0 } }",
            "-hcl", "limits { http_max_conns_per_client = 8000 }",
            "-hcl", "disable_update_check = true",
        ]);
        return new RegistryProcess("Consul 1.8.7", data, true, port, start).UntilReadyAsync();
    }

    /// <summary>Ends it without a word, and keeps its data.</summary>
    /// <returns>Where these are.</returns>
    public string Kill()
    {
        _process.Kill();
        _process.WaitForExit();
        return _folder;
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
        if (_ownsFolder && Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    public async Task<RawConnection> ConnectAsync(int bufferSize = 64 * 1024)
    {
        var connection = new RawConnection(bufferSize);
        await connection.ConnectAsync(Port);
        return connection;
    }

    private static string NewFolder() => Directory.CreateTempSubdirectory("registry-bench-").FullName;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<RegistryProcess> UntilReadyAsync()
    {
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < StartLimit && !_process.HasExited)
        {
            try
            {
                using var connection = await ConnectAsync();
                // A Consul without a leader answers its own agent's calls, but makes no certificates.
                if (await connection.CallAsync(RawConnection.Request("GET", "/v1/agent/connect/ca/roots"), keepBody: true) is { } roots
                    && roots.Contains("BEGIN CERTIFICATE", StringComparison.Ordinal))
                {
                    StartTime = Stopwatch.GetElapsedTime(started);
                    return this;
                }
            }
            catch (Exception e) when (e is SocketException or InvalidOperationException)
            {
                // Not listening yet, or no leader.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Dispose();
        throw new InvalidOperationException($"{Name} did not start.");
    }
}
