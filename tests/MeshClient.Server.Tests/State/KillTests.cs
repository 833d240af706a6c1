using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.State;

/// <summary>
/// A server that is killed while many write: whatever it acknowledged is there after the restart, and no index goes back.
/// 10 kills; with MESHCLIENT_LONG=1 there are 220.
/// </summary>
public sealed class KillTests : IDisposable
{
    private const int Names = 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
    private readonly ConcurrentDictionary<string, ulong> _indexes = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Kill_WhileManyWrite_LosesNothingAcknowledged()
    {
        var kills = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 220 : 10;
        var random = new Random(5);
        Writer[] writers =
        [
            new KeyWriter("a"), new KeyWriter("b"), new ServiceWriter("a"), new ServiceWriter("b"), new IntentionWriter("a"), new TransactionWriter("a"),
        ];
        var server = await ServerProcess.StartAsync(_folder);
        try
        {
            var root = await server.Http.GetStringAsync("/v1/connect/ca/roots?pem=true", Cancellation);
            for (var kill = 0; kill < kills; kill++)
            {
                using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
                var http = server.Http;
                var writing = writers.Select(writer => Task.Run(() => writer.WriteAsync(http, over.Token), Cancellation)).ToList();
                var enough = writers.Sum(writer => writer.Acknowledged) + random.Next(1, 400);
                await TestServer.UntilAsync(() => writers.Sum(writer => writer.Acknowledged) >= enough);
                await NoteIndexesAsync(http);
                enough = writers.Sum(writer => writer.Acknowledged) + random.Next(1, 100);
                await TestServer.UntilAsync(() => writers.Sum(writer => writer.Acknowledged) >= enough);
                server.Kill();
                await over.CancelAsync();
                await Task.WhenAll(writing).WaitAsync(TestServer.Limit, Cancellation);
                server.Dispose();

                server = await ServerProcess.StartAsync(_folder);
                foreach (var writer in writers)
                {
                    await writer.CheckAsync(server.Http, kill);
                }

                await NoteIndexesAsync(server.Http);
                Assert.Equal(root, await server.Http.GetStringAsync("/v1/connect/ca/roots?pem=true", Cancellation));
            }

            TestContext.Current.SendDiagnosticMessage($"{kills} kills, {writers.Sum(writer => writer.Acknowledged)} acknowledged writes");
        }
        finally
        {
            server.Dispose();
        }
    }

    [Fact]
    public async Task Stop_AndContinue_LosesNothing()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no such signals.");
            return;
        }

        using var server = await ServerProcess.StartAsync(_folder);
        var writer = new KeyWriter("a");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var writing = Task.Run(() => writer.WriteAsync(server.Http, over.Token), Cancellation);
        for (var round = 0; round < 3; round++)
        {
            var enough = writer.Acknowledged + 20;
            await TestServer.UntilAsync(() => writer.Acknowledged >= enough);
            await server.SignalAsync("STOP");
            var late = server.Http.PutAsync("/v1/kv/late", new StringContent(round.ToString(CultureInfo.InvariantCulture)), Cancellation);
            await Task.WhenAny(late, Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, Cancellation));
            Assert.False(late.IsCompleted);
            await server.SignalAsync("CONT");
            Assert.True((await late.WaitAsync(TestServer.Limit, Cancellation)).IsSuccessStatusCode);
            await NoteIndexesAsync(server.Http);
        }

        await over.CancelAsync();
        await writing.WaitAsync(TestServer.Limit, Cancellation);
        await writer.CheckAsync(server.Http, 0);
        Assert.Equal("2", await server.Http.GetStringAsync("/v1/kv/late?raw", Cancellation));
    }

    private async Task NoteIndexesAsync(HttpClient http)
    {
        foreach (var path in (string[])
            ["/v1/kv/a/0", "/v1/kv/?keys", "/v1/kv/never", "/v1/health/service/a-0", "/v1/health/service/never", "/v1/catalog/services", "/v1/connect/intentions", "/v1/agent/connect/ca/roots", "/v1/session/list"])
        {
            using var answer = await http.GetAsync(path, Cancellation);
            var index = ulong.Parse(answer.Headers.GetValues("X-Consul-Index").Single(), CultureInfo.InvariantCulture);
            Assert.True(index >= _indexes.GetValueOrDefault(path, 1UL), $"{path}: the index went from {_indexes.GetValueOrDefault(path)} back to {index}");
            _indexes[path] = index;
        }
    }

    /// <summary>Writes numbers that only grow under a few names, and knows of each the last one acknowledged and the last one sent.</summary>
    private abstract class Writer(string name)
    {
        private readonly long[] _acknowledged = new long[Names];
        private readonly long[] _sent = new long[Names];
        private long _count;
        private long _next;

        public long Acknowledged => Volatile.Read(ref _count);

        protected string Name => name;

        public async Task WriteAsync(HttpClient http, CancellationToken over)
        {
            try
            {
                while (!over.IsCancellationRequested)
                {
                    var value = ++_next;
                    var i = (int)(value % Names);
                    _sent[i] = value;
                    await SendAsync(http, i, value, over);
                    _acknowledged[i] = value;
                    Interlocked.Increment(ref _count);
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
            {
                // Killed in the middle of it: this one may have happened or not.
            }
        }

        public async Task CheckAsync(HttpClient http, int kill)
        {
            for (var i = 0; i < Names; i++)
            {
                var found = await ReadAsync(http, i);
                Assert.True(
                    found >= _acknowledged[i] && found <= _sent[i],
                    $"after kill {kill}, {GetType().Name} {name} {i}: {found} is there, {_acknowledged[i]} was acknowledged, {_sent[i]} was sent");
            }
        }

        protected abstract Task SendAsync(HttpClient http, int i, long value, CancellationToken over);

        protected abstract Task<long> ReadAsync(HttpClient http, int i);

        protected static async Task PutAsync(HttpClient http, string path, string body, CancellationToken over)
        {
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            using var answer = await http.PutAsync(path, content, over);
            var text = await answer.Content.ReadAsStringAsync(over);
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode} {text}");
        }

        protected static async Task<JsonElement?> GetAsync(HttpClient http, string path)
        {
            using var answer = await http.GetAsync(path, Cancellation);
            var text = await answer.Content.ReadAsStringAsync(Cancellation);
            return answer.IsSuccessStatusCode ? JsonDocument.Parse(text).RootElement : null;
        }
    }

    private sealed class KeyWriter(string name) : Writer(name)
    {
        protected override Task SendAsync(HttpClient http, int i, long value, CancellationToken over) =>
            PutAsync(http, $"/v1/kv/{Name}/{i}?flags={value}", $"{value}", over);

        protected override async Task<long> ReadAsync(HttpClient http, int i)
        {
            if (await GetAsync(http, $"/v1/kv/{Name}/{i}") is not { } found)
            {
                return 0;
            }

            var value = found[0].GetProperty("Flags").GetInt64();
            Assert.Equal($"{value}", Encoding.UTF8.GetString(found[0].GetProperty("Value").GetBytesFromBase64()));
            return value;
        }
    }

    private sealed class ServiceWriter(string name) : Writer(name)
    {
        protected override Task SendAsync(HttpClient http, int i, long value, CancellationToken over) => PutAsync(
            http, "/v1/agent/service/register",
            $$"""{"Name":"{{Name}}-{{i}}","Port":80,"Meta":{"n":"{{value}}"},"Check":{"TTL":"1h","Status":"passing"} }""", over);

        protected override async Task<long> ReadAsync(HttpClient http, int i) =>
            await GetAsync(http, $"/v1/health/service/{Name}-{i}") is { } found && found.GetArrayLength() == 1
                ? long.Parse(found[0].GetProperty("Service").GetProperty("Meta").GetProperty("n").GetString()!, CultureInfo.InvariantCulture)
                : 0;
    }

    private sealed class IntentionWriter(string name) : Writer(name)
    {
        protected override Task SendAsync(HttpClient http, int i, long value, CancellationToken over) => PutAsync(
            http, $"/v1/connect/intentions/exact?source={Name}-{i}&destination=orders", $$"""{"Action":"allow","Description":"{{value}}"}""", over);

        protected override async Task<long> ReadAsync(HttpClient http, int i) =>
            await GetAsync(http, $"/v1/connect/intentions/exact?source={Name}-{i}&destination=orders") is { } found
                ? long.Parse(found.GetProperty("Description").GetString()!, CultureInfo.InvariantCulture)
                : 0;
    }

    /// <summary>Writes three keys at once, which must never differ.</summary>
    private sealed class TransactionWriter(string name) : Writer(name)
    {
        protected override Task SendAsync(HttpClient http, int i, long value, CancellationToken over) => PutAsync(
            http, "/v1/txn",
            "[" + string.Join(",", Enumerable.Range(0, 3).Select(part =>
                $$$"""{"KV":{"Verb":"set","Flags":{{{value}}},"Value":"","Key":"t{{{Name}}}/{{{i}}}/{{{part}}}"}}""")) + "]",
            over);

        protected override async Task<long> ReadAsync(HttpClient http, int i)
        {
            if (await GetAsync(http, $"/v1/kv/t{Name}/{i}/?recurse") is not { } found)
            {
                return 0;
            }

            Assert.Equal(3, found.GetArrayLength());
            return Assert.Single(found.EnumerateArray().Select(entry => entry.GetProperty("Flags").GetInt64()).Distinct());
        }
    }
}
