using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Inbound;
using MeshClient.Configuration;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Listener;

/// <summary>Adds the mesh listener to the app's server, right before it binds.</summary>
internal sealed partial class MeshListener(
    IServer server,
    InboundPipeline pipeline,
    RawListeners raw,
    ConfiguredUrls urls,
    IOptions<MeshInboundOptions> options,
    IOptions<KestrelServerOptions> kestrel,
    ILogger<MeshListener> logger)
{
    private ListenOptions? _listener;

    /// <summary>Where the listener really listens; null before the server has bound, or when there is no listener.</summary>
    public IPEndPoint? EndPoint => _listener?.IPEndPoint is { Port: > 0 } endPoint ? endPoint : raw.MainEndPoint;

    /// <summary>Adds it. Called once, when the server's other addresses are known and it has not bound yet.</summary>
    public void Add()
    {
        // Another server, such as the one tests run in memory, has no listeners; calls through it come without a peer.
        if (server.GetType().Assembly != typeof(KestrelServerOptions).Assembly)
        {
            LogNoListener(logger, server.GetType().Name);
            return;
        }

        urls.KeepBesideOtherListeners(server.Features, kestrel.Value);
        if (raw.HasMain && options.Value.Expose.Target is null)
        {
            LogRaw(logger);
            return;
        }

        var address = ListenAddress.TryParse(options.Value.Address, out var parsed)
            ? parsed
            : throw new InvalidOperationException($"Mesh:Inbound:Address is '{options.Value.Address}', which is not an address.");
        if (address.Address is { } ip)
        {
            kestrel.Value.Listen(ip, address.Port, Configure);
        }
        else
        {
            kestrel.Value.ListenAnyIP(address.Port, Configure);
        }
    }

    private void Configure(ListenOptions listener)
    {
        if (options.Value.Expose.Target is not null)
        {
            // Asked for late, because it knows the registration, which knows this.
            listener.Use(next => connection => listener.ApplicationServices.GetRequiredService<ExposedTarget>().Admit(connection, next));
            raw.Add(listener, endpoint: null);
            listener.Run(connection => listener.ApplicationServices.GetRequiredService<ExposedTarget>().ServeAsync(connection));
            return;
        }

        _listener = listener;
        pipeline.AddTo(listener);
    }

    [LoggerMessage(
        104, LogLevel.Warning, "The server is {Server}, not Kestrel: there is no mesh listener, this instance is not registered, and only exempt endpoints answer.")]
    private static partial void LogNoListener(ILogger logger, string server);

    [LoggerMessage(
        110, LogLevel.Information, "Callers reach a raw listener of this app by the service's own name (UseMesh()), so there is no mesh listener for HTTP.")]
    private static partial void LogRaw(ILogger logger);
}
