using System.Security.Cryptography;
using Npgsql;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>A real PostgreSQL over the mesh, by a driver that knows nothing of it.</summary>
public sealed class PostgresTests
{
    private const int Limit = 180_000;
    private const int Pieces = 64;
    private const int PieceBytes = 1 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Driver_AllowedThenDeniedThenAllowed_FollowsTheIntentionsAlsoOnOpenConnections()
    {
        await using var database = await PostgresServer.StartAsync();
        await using var mesh = await DatabaseMesh.StartAsync("postgres", database.Port);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => PortOfAsync(mesh));

        var times = new List<TimeSpan>();
        for (var i = 0; i < 3; i++)
        {
            await mesh.AllowAsync();
            await WaitForPortAsync(mesh, database.Port);
            await using var open = await OpenAsync(mesh);
            await ExecuteAsync(open, $"CREATE TABLE t{i} (n int); INSERT INTO t{i} SELECT generate_series(1, 1000)");
            Assert.Equal(500_500L, await ScalarAsync(open, $"SELECT sum(n) FROM t{i}"));

            var waiting = ScalarAsync(open, "SELECT count(*) FROM pg_sleep(60)");
            var since = TimeProvider.System.GetTimestamp();
            await mesh.DenyAsync();
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => waiting);
            times.Add(TimeProvider.System.GetElapsedTime(since));
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => PortOfAsync(mesh));
        }

        // One may meet a machine that is busy with something else.
        Assert.True(times.Order().ElementAt(times.Count - 2) < TimeSpan.FromSeconds(1), string.Join(", ", times));
        Assert.True(times.Max() < TimeSpan.FromSeconds(10), string.Join(", ", times));
        await mesh.AllowAsync();
        await WaitForPortAsync(mesh, database.Port);
    }

    [Fact(Timeout = Limit)]
    public async Task Driver_OneOfTwoDatabasesIsKilledAndComesBack_ConnectionsGoToTheOtherAndReturn()
    {
        await using var first = await PostgresServer.StartAsync();
        await using var second = await PostgresServer.StartAsync();
        await using var mesh = await DatabaseMesh.StartAsync("postgres", first.Port, second.Port);
        await mesh.AllowAsync();
        await WaitForPortAsync(mesh, first.Port);
        await WaitForPortAsync(mesh, second.Port);

        await first.KillAsync();
        var failures = 0;
        for (var successes = 0; successes < 30;)
        {
            try
            {
                Assert.Equal(second.Port, await PortOfAsync(mesh));
                successes++;
            }
            catch (NpgsqlException)
            {
                // Sent there before anybody knew; the rest has to go elsewhere.
                successes = 0;
                failures++;
            }
        }

        Assert.InRange(failures, 0, 5);
        await mesh.WaitForHealthyAsync(1);

        await first.StartAgainAsync();
        await mesh.WaitForHealthyAsync(2);
        await WaitForPortAsync(mesh, first.Port);
    }

    [Fact(Timeout = Limit)]
    public async Task Copy_64MegabytesInAndOut_IsTheSameToTheByte()
    {
        await using var database = await PostgresServer.StartAsync();
        await using var mesh = await DatabaseMesh.StartAsync("postgres", database.Port);
        await mesh.AllowAsync();
        await WaitForPortAsync(mesh, database.Port);
        await using var connection = await OpenAsync(mesh);
        await ExecuteAsync(connection, "CREATE UNLOGGED TABLE pieces (number int, bytes bytea)");
        var sent = new List<string>();
        await using (var copy = await connection.BeginBinaryImportAsync("COPY pieces FROM STDIN (FORMAT binary)", Token))
        {
            for (var i = 0; i < Pieces; i++)
            {
                var bytes = RandomNumberGenerator.GetBytes(PieceBytes);
                sent.Add(Convert.ToHexString(SHA256.HashData(bytes)));
                await copy.StartRowAsync(Token);
                await copy.WriteAsync(i, Token);
                await copy.WriteAsync(bytes, Token);
            }

            Assert.Equal((ulong)Pieces, await copy.CompleteAsync(Token));
        }

        var received = new SortedDictionary<int, string>();
        await using (var copy = await connection.BeginBinaryExportAsync("COPY pieces TO STDOUT (FORMAT binary)", Token))
        {
            while (await copy.StartRowAsync(Token) >= 0)
            {
                received.Add(await copy.ReadAsync<int>(Token), Convert.ToHexString(SHA256.HashData(await copy.ReadAsync<byte[]>(Token))));
            }
        }

        Assert.Equal(sent, received.Values);
    }

    private static async Task<NpgsqlConnection> OpenAsync(DatabaseMesh mesh)
    {
        var connection = new NpgsqlConnection(
            $"Host=127.0.0.1;Port={mesh.LocalPort};Username=postgres;Database=postgres;Pooling=false;Timeout=10;Command Timeout=120");
        try
        {
            await connection.OpenAsync(Token);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static async Task<int> PortOfAsync(DatabaseMesh mesh)
    {
        await using var connection = await OpenAsync(mesh);
        return Convert.ToInt32(await ScalarAsync(connection, "SELECT inet_server_port()"), System.Globalization.CultureInfo.InvariantCulture);
    }

    // Over connections that each choose anew.
    private static Task WaitForPortAsync(DatabaseMesh mesh, int port) => MeshHosts.WaitUntilAsync(async () =>
    {
        try
        {
            return await PortOfAsync(mesh) == port;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    });

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync(Token);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Token);
    }
}
