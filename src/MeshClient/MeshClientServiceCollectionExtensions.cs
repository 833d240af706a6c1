using MeshClient;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Dialing;
using MeshClient.Discovery;
using MeshClient.Forwarders;
using MeshClient.Health;
using MeshClient.Identity;
using MeshClient.Outbound;
using MeshClient.Overload;
using MeshClient.Resilience;
using MeshClient.Telemetry;
using MeshClient.Transport;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds MeshClient to an app.</summary>
public static class MeshClientServiceCollectionExtensions
{
    /// <summary>
    /// Puts every <see cref="HttpClient"/> of the app's factory, named, typed or default, into the mesh: calls to service names
    /// are discovered, balanced, retried, sent over mutual TLS and measured; calls to other hosts pass through untouched.
    /// Calling it again changes nothing but what <paramref name="configure"/> changes.
    /// </summary>
    /// <param name="services">The app's services.</param>
    /// <param name="configure">Options set in code; they win over the configuration section <c>Mesh</c>.</param>
    public static IServiceCollection AddMeshClient(this IServiceCollection services, Action<MeshOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (configure is not null)
        {
            services.PostConfigure(configure);
        }

        if (services.All(service => service.ServiceType != typeof(AllClientsMarker)))
        {
            services.AddSingleton<AllClientsMarker>();
            AddMeshServices(services);
            services.ConfigureHttpClientDefaults(static client => client.AddMeshHandler());
        }

        return services;
    }

    /// <summary>
    /// Opens a port of this machine that leads to a service, for as long as the host runs: for drivers and programs that know nothing
    /// of the mesh. Includes <see cref="AddMeshClient"/>. The same is had from the configuration: <c>Mesh:Forwards:postgres:Listen</c>.
    /// </summary>
    /// <param name="services">The app's services.</param>
    /// <param name="service">The service's name, such as <c>postgres</c>.</param>
    /// <param name="listen">Where to listen, such as <c>127.0.0.1:5432</c>; see <see cref="MeshForwarderOptions.Listen"/>.</param>
    /// <param name="configure">The other options.</param>
    public static IServiceCollection AddMeshForwarder(
        this IServiceCollection services, string service, string listen, Action<MeshForwarderOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(service);
        ArgumentException.ThrowIfNullOrEmpty(listen);
        return services.AddMeshClient(mesh =>
        {
            mesh.Forwards.TryAdd(service, new MeshForwarderOptions());
            mesh.Forwards[service].Listen = listen;
            configure?.Invoke(mesh.Forwards[service]);
        });
    }

    /// <summary>
    /// Puts one client into the mesh, for apps that do not want it for all, and for factories built on
    /// <see cref="IHttpClientBuilder"/> such as gRPC's. Adds nothing to a client that is in the mesh already.
    /// </summary>
    /// <param name="builder">The client.</param>
    public static IHttpClientBuilder AddMeshHandler(this IHttpClientBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        AddMeshServices(builder.Services);
        // The builder of the factory's defaults has no name, which means every client.
        builder.Services.Configure<MeshMembership>(builder.Name, static membership => membership.IsMember = true);
        return builder;
    }

    private static void AddMeshServices(IServiceCollection services)
    {
        if (services.All(service => service.ServiceType != typeof(MeshClientMarker)))
        {
            services.AddSingleton<MeshClientMarker>();
            AddOptions(services);
            AddControlPlane(services);
            AddOutbound(services);
        }
    }

    private static void AddOptions(IServiceCollection services)
    {
        services.AddOptions<MeshOptions>().ValidateOnStart();
        services.AddSingleton<IConfigureOptions<MeshOptions>>(provider => new SectionBinder<MeshOptions>(
            provider.GetService<IConfiguration>(), MeshOptions.SectionName));
        services.AddSingleton<IPostConfigureOptions<MeshOptions>, EnvironmentMeshOptions>();
        services.AddSingleton<IValidateOptions<MeshOptions>, MeshOptionsValidator>();
    }

    private static void AddControlPlane(IServiceCollection services)
    {
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => new MeshRandom());
        services.TryAddSingleton<WatchRunner>();
        services.TryAddSingleton<MeshControlPlane>();
        services.AddMetrics();
        services.TryAddSingleton<IdentityTelemetry>();
        services.TryAddSingleton(provider => new MeshIdentityMonitor(
            provider.GetRequiredService<MeshIdentity>(), provider.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton(provider =>
        {
            var options = provider.GetRequiredService<IOptions<MeshOptions>>().Value;
            var controlPlane = provider.GetRequiredService<MeshControlPlane>();
            var identity = new MeshIdentity(
                options.Service is null ? default : ServiceName.Parse(options.Service),
                controlPlane.Leaves,
                controlPlane.TrustBundles,
                provider.GetRequiredService<WatchRunner>(),
                provider.GetRequiredService<ILogger<MeshIdentity>>(),
                IdentitySettings.For(options),
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<IdentityTelemetry>(),
                ForeignTrustDomain.All(options.Identity, provider.GetRequiredService<TimeProvider>()));
            if (controlPlane.Requests is { } requests)
            {
                identity.RootsChanged += requests.NoteRoots;
            }

            return identity;
        });
    }

    private static void AddOutbound(IServiceCollection services)
    {
        services.AddHttpClient();
        // First in the list is the last to have its say about a client's handlers.
        services.Insert(0, ServiceDescriptor.Singleton<IHttpMessageHandlerBuilderFilter, MeshHandlerFilter>());
        services.TryAddSingleton(provider => new TransportFactory(
            provider.GetRequiredService<MeshIdentity>(),
            provider.GetRequiredService<IOptions<MeshOptions>>().Value.RotationSpread,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<MeshRandom>(),
            provider.GetRequiredService<ILogger<TransportFactory>>()));
        services.TryAddSingleton(provider => new CallerFleet(
            provider.GetRequiredService<IOptions<MeshOptions>>().Value.Service is { } self ? ServiceName.Parse(self) : null,
            provider.GetRequiredService<MeshControlPlane>().Instances,
            provider.GetRequiredService<WatchRunner>(),
            provider.GetRequiredService<MeshRandom>()));
        services.TryAddSingleton(provider => new PickerFactory(
            provider,
            provider.GetRequiredService<CallerFleet>(),
            provider.GetRequiredService<IOptions<MeshOptions>>().Value.Zone,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<MeshRandom>()));
        services.TryAddSingleton(provider => new MeshCircuitBreakers(
            provider.GetRequiredService<IOptions<MeshOptions>>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<MeshCircuitBreakers>>()));
        services.TryAddSingleton(provider => new DestinationTable(
            provider.GetRequiredService<IOptions<MeshOptions>>(),
            provider.GetRequiredService<MeshControlPlane>(),
            provider.GetRequiredService<MeshIdentity>(),
            provider.GetRequiredService<WatchRunner>(),
            provider.GetRequiredService<TransportFactory>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<MeshRandom>(),
            provider.GetRequiredService<PickerFactory>(),
            provider.GetRequiredService<MeshCircuitBreakers>(),
            provider.GetService<IConfiguration>() is { } configuration ? new ConfigurationInstanceSource(configuration) : null,
            provider.GetRequiredService<HealthTelemetry>(),
            provider.GetRequiredService<IdempotencyLog>()));
        services.TryAddSingleton<HealthTelemetry>();
        services.TryAddSingleton<IdempotencyLog>();
        services.TryAddSingleton<MeshTelemetry>();
        services.TryAddSingleton<ShedTelemetry>();
        services.TryAddSingleton<OutboundPipeline>();
        services.AddHostedService<ForwarderHostedService>();
        services.TryAddSingleton<DialTelemetry>();
        services.TryAddSingleton<IMeshDialer>(provider =>
        {
            // Has the figures of the services called looked up, for an app that makes no calls.
            _ = provider.GetRequiredService<MeshHandlerFactory>();
            return ActivatorUtilities.CreateInstance<MeshDialer>(provider);
        });
        services.TryAddSingleton(provider =>
        {
            var destinations = provider.GetRequiredService<DestinationTable>();
            provider.GetRequiredService<MeshTelemetry>().Observe(
                provider.GetRequiredService<WatchRunner>(), destinations, provider.GetRequiredService<MeshCircuitBreakers>());
            return new MeshHandlerFactory(
                destinations,
                provider.GetRequiredService<OutboundPipeline>(),
                provider.GetRequiredService<IOptions<MeshOptions>>(),
                provider.GetRequiredService<TimeProvider>());
        });
    }

    private sealed class MeshClientMarker;

    private sealed class AllClientsMarker;
}
