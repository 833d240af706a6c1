using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Registration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>The service <c>orders</c> as an app would be: Kestrel, real sockets, and a control plane in memory.</summary>
internal sealed class InboundTestHost : IAsyncDisposable
{
    public static readonly ServiceName Orders = ServiceName.Parse("orders");
    public static readonly ServiceName Web = ServiceName.Parse("web");

    private readonly WebApplication _app;
    private RecordedMetrics? _metrics;

    private InboundTestHost(WebApplication app, InMemoryControlPlane controlPlane, RecordingLogs logs)
    {
        _app = app;
        ControlPlane = controlPlane;
        Logs = logs;
    }

    public InMemoryControlPlane ControlPlane { get; }

    public RecordingLogs Logs { get; }

    public IServiceProvider Services => _app.Services;

    public WebApplication App => _app;

    public RecordedMetrics Metrics => _metrics ??= new RecordedMetrics(Services.GetRequiredService<IMeterFactory>());

    public int MeshPort => Services.GetRequiredService<MeshListener>().EndPoint!.Port;

    public Uri MeshAddress => new($"https://127.0.0.1:{MeshPort}");

    public IMeshRegistration Registration => Services.GetRequiredService<IMeshRegistration>();

    /// <summary>The addresses of listeners other than the mesh's.</summary>
    public IReadOnlyList<Uri> PlainAddresses =>
        [.. _app.Urls.Select(url => new Uri(url.Replace("[::]", "127.0.0.1", StringComparison.Ordinal))).Where(url => url.Port != MeshPort)];

    /// <summary>Builds and starts it. Without a word from the test every call is denied by default.</summary>
    /// <param name="map">What it serves; null: <c>/hello</c>.</param>
    /// <param name="inbound">Settings.</param>
    /// <param name="registration">Settings.</param>
    /// <param name="build">What else it is made of.</param>
    /// <param name="controlPlane">Its control plane; null: one of its own.</param>
    /// <param name="settings">Its configuration.</param>
    /// <param name="environment">Where it runs.</param>
    /// <param name="hasIdentity">Whether it has its identity before it is started, so that the time its start may take is there for the rest alone.</param>
    public static async Task<InboundTestHost> StartAsync(
        Action<WebApplication>? map = null,
        Action<MeshInboundOptions>? inbound = null,
        Action<MeshRegistrationOptions>? registration = null,
        Action<WebApplicationBuilder>? build = null,
        InMemoryControlPlane? controlPlane = null,
        Dictionary<string, string?>? settings = null,
        string environment = "Production",
        bool hasIdentity = false)
    {
        var host = Create(map, inbound, registration, build, controlPlane, settings, environment);
        try
        {
            if (hasIdentity)
            {
                await host.Services.GetRequiredService<MeshIdentity>().GetAsync(TestContext.Current.CancellationToken).AsTask().Bounded();
            }

            await host._app.StartAsync(TestContext.Current.CancellationToken).Bounded();
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    public static InboundTestHost Create(
        Action<WebApplication>? map = null,
        Action<MeshInboundOptions>? inbound = null,
        Action<MeshRegistrationOptions>? registration = null,
        Action<WebApplicationBuilder>? build = null,
        InMemoryControlPlane? controlPlane = null,
        Dictionary<string, string?>? settings = null,
        string environment = "Production")
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = environment });
        var logs = new RecordingLogs();
        controlPlane ??= new InMemoryControlPlane();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = Orders.Value,
            ["Mesh:Inbound:Address"] = "127.0.0.1:0",
            // A handshake takes longer than by default while other tests use the processors.
            ["Mesh:Defaults:ConnectTimeout"] = "00:00:10",
        });
        if (settings is not null)
        {
            builder.Configuration.AddInMemoryCollection(settings);
        }

        builder.WebHost.UseKestrel();
        builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IInstanceSource>(controlPlane);
        builder.Services.AddSingleton<IIntentionSource>(controlPlane);
        builder.Services.AddSingleton<ITrustBundleSource>(controlPlane);
        builder.Services.AddSingleton<ILeafCertificateSource>(controlPlane);
        builder.Services.AddSingleton<IServiceRegistrar>(controlPlane);
        builder.Services.AddMeshInbound(inbound);
        builder.Services.PostConfigure<MeshRegistrationOptions>(options =>
        {
            options.DrainDelay = TimeSpan.Zero;
            registration?.Invoke(options);
        });
        build?.Invoke(builder);
        var app = builder.Build();
        if (map is null)
        {
            app.MapGet("/hello", () => "hello");
        }
        else
        {
            map(app);
        }

        return new InboundTestHost(app, controlPlane, logs);
    }

    /// <summary>A caller with a good certificate of a service.</summary>
    public HttpClient CallerFrom(string service) =>
        MeshCaller.Create(this, MeshCaller.ContextOf(ControlPlane.Authority.IssueLeaf(ServiceName.Parse(service))));

    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        _metrics?.Dispose();
        await _app.DisposeAsync();
        ControlPlane.Dispose();
    }
}
