using System.Diagnostics;
using System.Globalization;
using Quickstart.Services;

namespace Quickstart.Story;

/// <summary>One service, running as a process of its own.</summary>
internal sealed class ServiceProcess : IDisposable
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(20);
    private readonly Process _process;

    private ServiceProcess(string service, Process process)
    {
        Service = service;
        _process = process;
    }

    public string Service { get; }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public static ServiceProcess Start(string service, Uri registry, int rate, Action<ServiceProcess, Report> reported)
    {
        var program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            start.ArgumentList.Add(typeof(ServiceProcess).Assembly.Location);
        }

        // What is set for the story-teller, such as addresses to listen on, is not meant for six processes at once.
        string[] foreign = ["ASPNETCORE_", "DOTNET_URLS", "DOTNET_HTTP_PORTS", "MESH__", "CONSUL_"];
        foreach (var name in start.Environment.Keys.Where(name =>
            foreign.Any(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))).ToList())
        {
            start.Environment.Remove(name);
        }

        string[] arguments =
        [
            "service", service,
            "--Mesh:ControlPlane:Address", registry.ToString(),
            "--Mesh:Inbound:Address", "127.0.0.1:0",
            "--Mesh:Inbound:DefaultAction", "Deny",
            "--Mesh:RotationSpread", "00:00:02",
            "--Mesh:Registration:DeregisterAfter", "00:01:00",
            "--Mesh:Registration:TimeToLive", "00:00:06",
            "--rate", rate.ToString(CultureInfo.InvariantCulture),
        ];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        var result = new ServiceProcess(service, process);
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
            {
                reported(result, Report.TryParse(text) ?? new Report { Log = text, Level = LogLevel.Error });
            }
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
            {
                reported(result, new Report { Log = text, Level = LogLevel.Error });
            }
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return result;
    }

    /// <summary>Kills it with no chance to say goodbye.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Asks it to stop, and waits until it has.</summary>
    public async Task StopAsync()
    {
        if (_process.HasExited)
        {
            return;
        }

        _process.StandardInput.Close();
        using var limit = new CancellationTokenSource(StopTimeout);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }
}
