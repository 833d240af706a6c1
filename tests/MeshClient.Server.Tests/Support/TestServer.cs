using System.Net;
using System.Text;
using System.Text.Json;
using MeshClient.Server.Api;
using MeshClient.Server.State;
using MeshClient.Testing;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Tests.Support;

/// <summary>A server on a free port with a clock that stands still, and the means to talk to it.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    public const string ManagementToken = "7d6ee4a2-1c7a-4ab1-8f35-2b6a0f9bb0c1";

    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly MeshServer _server;

    private TestServer(MeshServerOptions options, FakeTimeProvider time, ILoggerFactory? logs)
    {
        Time = time;
        _server = new MeshServer(options, logs, time);
    }

    public FakeTimeProvider Time { get; }

    public HttpClient Http { get; private set; } = null!;

    public Uri Address => _server.Address;

    public Uri? HttpsAddress => _server.HttpsAddress;

    public StateStore Store => _server.Core.Store;

    public ServerState State => Store.Current;

    public RouteTable Routes => _server.Core.Routes;

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Sent along with every request; null: none.</summary>
    public string? Token { get; set; }

    /// <summary>Starts a server that demands tokens; the one that may do everything is sent along until another is set.</summary>
    public static async Task<TestServer> StartGuardedAsync(
        Action<MeshServerOptions>? configure = null, FakeTimeProvider? time = null, ILoggerFactory? logs = null)
    {
        var server = await StartAsync(
            options =>
            {
                options.AccessControl.Enabled = true;
                options.AccessControl.InitialManagementToken = ManagementToken;
                configure?.Invoke(options);
            },
            time,
            logs);
        server.Token = ManagementToken;
        return server;
    }

    public static async Task<TestServer> StartAsync(
        Action<MeshServerOptions>? configure = null, FakeTimeProvider? time = null, ILoggerFactory? logs = null)
    {
        var options = new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0"), NodeName = "n1" };
        configure?.Invoke(options);
        var server = new TestServer(options, time ?? new FakeTimeProvider(new DateTimeOffset(2026, 11, 21, 3, 0, 0, TimeSpan.Zero)), logs);
        try
        {
            await server._server.StartAsync(Cancellation);
        }
        catch
        {
            await server._server.DisposeAsync();
            throw;
        }

        server.Http = new HttpClient { BaseAddress = server.Address, Timeout = Limit };
        return server;
    }

    public Task<Answer> GetAsync(string path) => SendAsync("GET", path);

    public Task<Answer> PutAsync(string path, string? body = null) => SendAsync("PUT", path, body);

    public Task<Answer> PostAsync(string path, string body) => SendAsync("POST", path, body);

    public async Task<Answer> SendAsync(string method, string path, string? body = null, CancellationToken? cancellation = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Address, path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        }

        if (Token is { } token)
        {
            request.Headers.Add("X-Consul-Token", token);
        }

        using var response = await Http.SendAsync(request, cancellation ?? Cancellation);
        return new Answer(
            response.StatusCode,
            await response.Content.ReadAsStringAsync(Cancellation),
            response.Headers.Concat(response.Content.Headers)
                .ToDictionary(header => header.Key, header => string.Join(",", header.Value), StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>Does what has to succeed.</summary>
    public async Task MustPutAsync(string path, string? body = null)
    {
        var answer = await PutAsync(path, body);
        Assert.True(answer.Status == HttpStatusCode.OK, $"PUT {path}: {(int)answer.Status} {answer.Body}");
    }

    /// <summary>Registers an instance with a check that is beaten already.</summary>
    public Task RegisterAsync(string name, string? id = null, string check = """{"TTL":"10s","Status":"passing"}""", string more = "") =>
        MustPutAsync("/v1/agent/service/register", $$"""{"Name":"{{name}}","ID":"{{id ?? name}}","Port":80,"Check":{{check}}{{more}}}""");

    /// <summary>Sends a read that is going to wait, and waits until it does.</summary>
    public async Task<Task<Answer>> ParkAsync(string path, ulong index, string wait = "60s", CancellationToken? cancellation = null)
    {
        var before = Store.Watches.Count;
        var separator = path.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        var read = SendAsync("GET", $"{path}{separator}index={index}&wait={wait}", null, cancellation);
        await UntilAsync(() => Store.Watches.Count > before || read.IsCompleted);
        Assert.False(read.IsCompleted, "The read was to wait, and has not.");
        return read;
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        var end = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, "The condition did not come true in time.");
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, Cancellation);
        }
    }

    public Task StopAsync() => _server.StopAsync(Cancellation);

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        await _server.DisposeAsync();
    }
}

/// <summary>What came back.</summary>
internal sealed record Answer(HttpStatusCode Status, string Body, IReadOnlyDictionary<string, string> Headers)
{
    public ulong Index => ulong.Parse(Headers["X-Consul-Index"], System.Globalization.CultureInfo.InvariantCulture);

    public JsonElement Json => JsonDocument.Parse(Body).RootElement;
}
