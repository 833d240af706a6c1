using System.Globalization;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>A real PostgreSQL with a new, empty database, on 127.0.0.1.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    // It refuses to run as root.
    private const string User = "postgres";

    private readonly DirectoryInfo _folder;
    private readonly DatabaseProgram _program;

    private PostgresServer(DirectoryInfo folder, DatabaseProgram program, int port)
    {
        _folder = folder;
        _program = program;
        Port = port;
    }

    public int Port { get; }

    public static async Task<PostgresServer> StartAsync()
    {
        var programs = await DatabaseProgram.FindAsync("postgresql");
        var user = string.Equals(Environment.UserName, "root", StringComparison.Ordinal) ? User : null;
        if (user is not null && !(await File.ReadAllLinesAsync("/etc/passwd")).Any(line => line.StartsWith($"{User}:", StringComparison.Ordinal)))
        {
            throw DatabaseProgram.Missing("PostgreSQL", $"it does not run as root, and there is no user {User}");
        }

        var folder = Directory.CreateTempSubdirectory("mesh-postgres-");
        if (user is not null && !OperatingSystem.IsWindows())
        {
            // It makes the folder of the data inside, as its own.
            File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_111_111);
        }

        var data = Path.Combine(folder.FullName, "data");
        await using (var initialise = new DatabaseProgram(
            Path.Combine(programs, "initdb"), ["-D", data, "-A", "trust", "-U", User, "--no-sync", "-E", "UTF8", "--locale=C"], user))
        {
            initialise.Start();
            await initialise.WaitForSuccessAsync();
        }

        var port = FreePorts.Find(1)[0];
        var program = new DatabaseProgram(
            Path.Combine(programs, "postgres"),
            [
                "-D", data, "-p", port.ToString(CultureInfo.InvariantCulture), "-k", folder.FullName, "-h", "127.0.0.1",
                "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_wal_size=256MB",
            ],
            user);
        var server = new PostgresServer(folder, program, port);
        await server.StartAgainAsync();
        return server;
    }

    public async Task StartAgainAsync()
    {
        _program.Start();
        await _program.WaitForPortAsync(Port);
    }

    public Task KillAsync() => _program.KillAsync();

    public async ValueTask DisposeAsync()
    {
        await _program.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
