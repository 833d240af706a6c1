using System.Globalization;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>A real Redis, empty, in memory only, on 127.0.0.1.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly DatabaseProgram _program;

    private RedisServer(DatabaseProgram program, int port)
    {
        _program = program;
        Port = port;
    }

    public int Port { get; }

    public static async Task<RedisServer> StartAsync()
    {
        var programs = await DatabaseProgram.FindAsync("redis");
        var port = FreePorts.Find(1)[0];
        var program = new DatabaseProgram(
            Path.Combine(programs, "redis-server"),
            ["--port", port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--save", string.Empty, "--appendonly", "no"]);
        program.Start();
        await program.WaitForPortAsync(port);
        return new RedisServer(program, port);
    }

    public ValueTask DisposeAsync() => _program.DisposeAsync();
}
