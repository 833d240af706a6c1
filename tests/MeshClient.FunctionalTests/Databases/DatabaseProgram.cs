using System.Collections.Concurrent;
using System.Diagnostics;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>A program of a real database, in a folder of its own, as a process that can be killed and started again.</summary>
internal sealed class DatabaseProgram : IAsyncDisposable
{
    private const string RequiredVariable = "MESHCLIENT_REQUIRE_DATABASES";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly ConcurrentQueue<string> _output = new();
    private readonly string _program;
    private readonly string[] _arguments;
    private readonly string? _user;
    private Process? _process;

    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="user">Whom to run it as; null: ourselves.</param>
    public DatabaseProgram(string program, string[] arguments, string? user = null)
    {
        _program = program;
        _arguments = arguments;
        _user = user;
    }

    /// <summary>
    /// The folder of a database's programs. Skips the test where they cannot be had, or fails it with
    /// <c>MESHCLIENT_REQUIRE_DATABASES=1</c>.
    /// </summary>
    public static async Task<string> FindAsync(string database)
    {
        var (folder, whyNot) = await PeerScript.RunAsync("get-databases.sh", database);
        return folder ?? throw Missing(database, whyNot);
    }

    /// <summary>Ends the test: the database cannot be had.</summary>
    public static Exception Missing(string database, string? whyNot)
    {
        if (Environment.GetEnvironmentVariable(RequiredVariable) == "1")
        {
            Assert.Fail($"A real {database} is required and cannot be had: {whyNot}");
        }

        Assert.Skip($"No real {database}: {whyNot}");
        return new InvalidOperationException();
    }

    /// <summary>Starts it.</summary>
    public void Start()
    {
        var start = _user is null
            ? new ProcessStartInfo(_program, _arguments)
            : new ProcessStartInfo("setpriv", [$"--reuid={_user}", $"--regid={_user}", "--clear-groups", _program, .. _arguments]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.WorkingDirectory = "/";
        _process = Process.Start(start)!;
        _process.OutputDataReceived += Keep;
        _process.ErrorDataReceived += Keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Waits for it to end by itself.</summary>
    public async Task WaitForSuccessAsync()
    {
        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        await _process!.WaitForExitAsync(limit.Token);
        Assert.True(_process.ExitCode == 0, $"{_program} ended with {_process.ExitCode}: {string.Join('\n', _output)}");
    }

    /// <summary>Waits until something listens on its port.</summary>
    public async Task WaitForPortAsync(int port)
    {
        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        while (!await FreePorts.IsListenedOnAsync(port, limit.Token))
        {
            Assert.False(_process!.HasExited, $"{_program} ended: {string.Join('\n', _output)}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
        }
    }

    /// <summary>Kills it, without a chance to say anything, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        if (_process is not { } process)
        {
            return;
        }

        _process = null;
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        await process.WaitForExitAsync(limit.Token);
        process.Dispose();
    }

    public async ValueTask DisposeAsync() => await KillAsync();

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        if (e.Data is { } line && _output.Count < 200)
        {
            _output.Enqueue(line);
        }
    }
}
