using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Hosting;

/// <summary>A Kestrel of the server's own, apart from whatever web server its host may be.</summary>
internal sealed class ServerListener(ServerCore core, ILoggerFactory logs)
{
    /// <summary>How long requests that do not end are waited for; parked queries are answered at once.</summary>
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);

    private WebApplication? _app;
    private Uri? _address;

    public Uri Address => _address ?? throw NotListening();

    public Uri? HttpsAddress { get; private set; }

    public static InvalidOperationException NotListening() => new("The server has no listener of its own that is started.");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var https = core.Options.Https.ListenAddress;
        var plain = core.Options.ListenAddress ?? (https is null ? MeshServerDefaults.ListenAddress : null);

        // Empty, so that neither the environment nor the settings of the host's own web server (its ports, say) come in.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        // The host's own lifetime is the only one that listens for Ctrl-C.
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, NoHostLifetime>());
        builder.Services.Replace(ServiceDescriptor.Singleton<ILoggerFactory>(new WarningsOfFramework(logs)));
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = StopTimeout);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            if (plain is not null)
            {
                Listen(kestrel, plain);
            }

            if (https is not null)
            {
                Listen(kestrel, https);
            }
        });
        var app = builder.Build();
        app.Lifetime.ApplicationStopping.Register(core.BeginStop);
        var isLocal = plain is not null && MeshServerOptionsValidator.TryGetIp(plain, out var ip) && IPAddress.IsLoopback(ip);
        app.Run(http => isLocal && !http.Request.IsHttps ? HandleLocalAsync(http) : core.HandleAsync(http));
        try
        {
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            if (e is SocketException)
            {
                // Kestrel makes a sentence of an address in use only.
                throw new IOException($"The server cannot listen on {string.Join(" and ", new[] { plain, https }.OfType<Uri>())}: {e.Message}.", e);
            }

            throw;
        }

        _app = app;
        var bound = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(one => new Uri(one)).ToList();
        HttpsAddress = bound.Find(one => one.Scheme == Uri.UriSchemeHttps);
        _address = bound.Find(one => one.Scheme == Uri.UriSchemeHttp) ?? HttpsAddress;
        foreach (var one in bound)
        {
            Log.Listening(logs.CreateLogger<MeshServer>(), one, core.Options.Datacenter);
        }
    }

    private void Listen(KestrelServerOptions kestrel, Uri address)
    {
        MeshServerOptionsValidator.TryGetIp(address, out var ip);
        kestrel.Listen(ip, address.Port, listen =>
        {
            if (core.Options.MaxConnectionsPerClient is > 0 and var limit)
            {
                listen.Use(new ConnectionLimit(limit).Wrap);
            }

            listen.Protocols = HttpProtocols.Http1;
            if (address.Scheme == Uri.UriSchemeHttps)
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(TlsOptions()) });
            }
        });
    }

    private SslServerAuthenticationOptions TlsOptions() => new()
    {
        ServerCertificateContext = core.Certificate.Current(),
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
    };

    // A page of elsewhere whose name was made to lead to this machine is, to its browser, of the same origin, and could read
    // private keys. Its requests still carry that name; those of this machine's programs carry an address or localhost.
    private Task HandleLocalAsync(HttpContext http)
    {
        var host = http.Request.Host.Host;
        if (host.Length == 0 || host == "localhost" || IPAddress.TryParse(host, out _))
        {
            return core.HandleAsync(http);
        }

        http.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        return http.Response.WriteAsync("This server answers to localhost and to IP addresses only, not to other names.", http.RequestAborted);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        core.BeginStop();
        if (_app is { } app)
        {
            _app = null;
            _address = HttpsAddress = null;
            try
            {
                await app.StopAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                await app.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
