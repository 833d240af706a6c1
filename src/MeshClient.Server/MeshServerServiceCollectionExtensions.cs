using MeshClient.Server;
using MeshClient.Server.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds a registry and certificate authority to a host.</summary>
public static class MeshServerServiceCollectionExtensions
{
    /// <summary>
    /// Adds the server. It starts and stops with the host and listens on <see cref="MeshServerOptions.ListenAddress"/>; in a
    /// web app <c>MapMeshServer()</c> serves it on the app's own addresses instead. Its bound address is that of the
    /// <see cref="IMeshServer"/> service. A second call adds only its configuration.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets options, after those of the configuration section <c>MeshServer</c>; null: nothing more.</param>
    /// <returns>The same services.</returns>
    /// <remarks>
    /// Wrong options, and keys of the section that mean nothing, end the start of the host with an
    /// <see cref="OptionsValidationException"/> that names every error. Nothing is opened before the start.
    /// </remarks>
    public static IServiceCollection AddMeshServer(this IServiceCollection services, Action<MeshServerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConfigureOptions<MeshServerOptions>, MeshServerOptionsConfiguration>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<MeshServerOptions>, MeshServerOptionsValidator>());
        services.AddOptions<MeshServerOptions>().ValidateOnStart();
        if (configure is not null)
        {
            services.Configure(configure);
        }

        if (services.All(service => service.ServiceType != typeof(HostedMeshServer)))
        {
            services.AddSingleton<HostedMeshServer>();
            services.AddSingleton<IMeshServer>(provider => provider.GetRequiredService<HostedMeshServer>());
            services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<HostedMeshServer>());
        }

        return services;
    }
}
