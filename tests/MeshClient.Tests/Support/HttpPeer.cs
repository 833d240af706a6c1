using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Support;

/// <summary>A server on Kestrel, with or without mutual TLS.</summary>
internal sealed class HttpPeer : IAsyncDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);
    private readonly WebApplication _app;
    private int _requests;
    private int _connections;
    private int _open;

    private HttpPeer(WebApplication app) => _app = app;

    public int Port { get; private set; }

    public PeerTls? Tls { get; private init; }

    /// <summary>The base address for those who call it directly.</summary>
    public Uri Address => new($"{(Tls is null ? "http" : "https")}://127.0.0.1:{Port}/");

    /// <summary>How many requests came in.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>How many connections were made, those refused in the handshake included.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>How many connections are open now.</summary>
    public int OpenConnections => Volatile.Read(ref _open);

    public static async Task<HttpPeer> StartAsync(
        RequestDelegate handler, PeerTls? tls = null, HttpProtocols? protocols = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = Farewell);
        HttpPeer? peer = null;
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = protocols ?? (tls is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2);
            listen.Use(next => async connection =>
            {
                Interlocked.Increment(ref peer!._connections);
                Interlocked.Increment(ref peer._open);
                try
                {
                    await next(connection);
                }
                finally
                {
                    Interlocked.Decrement(ref peer._open);
                }
            });
            if (tls is not null)
            {
                listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(tls.Options()) });
            }
        }));
        var app = builder.Build();
        peer = new HttpPeer(app) { Tls = tls };
        app.UseWebSockets();
        app.Run(context =>
        {
            Interlocked.Increment(ref peer._requests);
            return handler(context);
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        peer.Port = new Uri(app.Urls.Single()).Port;
        return peer;
    }

    /// <summary>Closes the port and all connections at once, whatever they carry.</summary>
    public Task KillAsync() => _app.StopAsync(new CancellationToken(canceled: true));

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}
