using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Consul.Tests.Fakes;

/// <summary>
/// A registry that answers what a test tells it to, over real sockets, and counts connections. Like Consul, it resets the
/// connections beyond a limit.
/// </summary>
internal sealed class FakeRegistry : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<string> _calls = new();
    private int _connections;
    private int _peak;

    private FakeRegistry(WebApplication app) => _app = app;

    /// <summary>Where it listens.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>What was called: method, path and query.</summary>
    public IReadOnlyCollection<string> Calls => _calls;

    /// <summary>How many connections were open at once, at most.</summary>
    public int PeakConnections => Volatile.Read(ref _peak);

    /// <summary>Connections beyond this are reset.</summary>
    public int ConnectionLimit { get; set; } = 200;

    /// <summary>The headers of the latest call.</summary>
    public IReadOnlyDictionary<string, string> LatestHeaders { get; private set; } = new Dictionary<string, string>();

    public static async Task<FakeRegistry> StartAsync(RequestDelegate handler)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        FakeRegistry? registry = null;
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.Use(next => connection => registry!.CountAsync(next, connection));
        }));
        var app = builder.Build();
        registry = new FakeRegistry(app);
        app.Run(context =>
        {
            registry._calls.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            registry.LatestHeaders = context.Request.Headers.ToDictionary(
                pair => pair.Key, pair => pair.Value.ToString(), StringComparer.OrdinalIgnoreCase);
            return handler(context);
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        registry.Address = new Uri(app.Urls.First());
        return registry;
    }

    /// <summary>One that always answers the same.</summary>
    public static Task<FakeRegistry> StartAsync(string body, ulong? index = null, int status = 200) =>
        StartAsync(context => AnswerAsync(context, body, index, status));

    public static Task AnswerAsync(HttpContext context, string body, ulong? index = null, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        if (index is not null)
        {
            context.Response.Headers["X-Consul-Index"] = index.Value.ToString(CultureInfo.InvariantCulture);
        }

        return context.Response.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>The index a call waits for; null when it does not wait.</summary>
    public static ulong? IndexOf(HttpContext context) =>
        ulong.TryParse(context.Request.Query["index"], CultureInfo.InvariantCulture, out var index) ? index : null;

    /// <summary>How long a call is willing to wait.</summary>
    public static TimeSpan WaitOf(HttpContext context)
    {
        var text = context.Request.Query["wait"].ToString();
        Assert.EndsWith("ms", text, StringComparison.Ordinal);
        return TimeSpan.FromMilliseconds(long.Parse(text[..^2], CultureInfo.InvariantCulture));
    }

    /// <summary>A plane that talks to it.</summary>
    public ConsulControlPlane CreatePlane(Action<ConsulOptions>? change = null, ILogger<ConsulControlPlane>? logger = null)
    {
        var options = new ConsulOptions { Address = Address, RequestTimeout = TimeSpan.FromSeconds(5), Wait = TimeSpan.FromSeconds(10) };
        change?.Invoke(options);
        return new ConsulControlPlane(options, TimeProvider.System, logger);
    }

    public async ValueTask DisposeAsync()
    {
        using var atOnce = new CancellationTokenSource();
        await atOnce.CancelAsync();
        await _app.StopAsync(atOnce.Token);
        await _app.DisposeAsync();
    }

    private async Task CountAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        var open = Interlocked.Increment(ref _connections);
        try
        {
            if (open > ConnectionLimit)
            {
                connection.Abort();
                return;
            }

            int peak;
            while (open > (peak = Volatile.Read(ref _peak)) && Interlocked.CompareExchange(ref _peak, open, peak) != peak)
            {
            }

            await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }
}
