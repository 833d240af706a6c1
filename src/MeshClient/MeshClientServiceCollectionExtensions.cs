using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using MeshClient;

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

        if (services.Any(service => service.ServiceType == typeof(MeshClientMarker)))
        {
            return services;
        }

        services.AddSingleton<MeshClientMarker>();
        AddOptions(services);
        AddControlPlane(services);
        return services;
    }

    private static void AddOptions(IServiceCollection services)
    {
        services.AddOptions<MeshOptions>().ValidateOnStart();
        services.AddSingleton<IConfigureOptions<MeshOptions>>(provider => new ConfigureOptions<MeshOptions>(options =>
            provider.GetService<IConfiguration>()?.GetSection(MeshOptions.SectionName).Bind(options)));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IPostConfigureOptions<MeshOptions>, EnvironmentMeshOptions>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<MeshOptions>>(
            provider => new MeshOptionsValidator(provider.GetService<IConfiguration>())));
    }

    private static void AddControlPlane(IServiceCollection services)
    {
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => new MeshRandom(BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8))));
        services.TryAddSingleton<WatchRunner>();
        services.TryAddSingleton<MeshControlPlane>();
        services.TryAddSingleton(provider =>
        {
            var service = provider.GetRequiredService<IOptions<MeshOptions>>().Value.Service;
            var controlPlane = provider.GetRequiredService<MeshControlPlane>();
            return new MeshIdentity(
                service is null ? default : ServiceName.Parse(service),
                controlPlane.Leaves,
                controlPlane.TrustBundles,
                provider.GetRequiredService<WatchRunner>(),
                provider.GetRequiredService<ILogger<MeshIdentity>>());
        });
    }

    private sealed class MeshClientMarker;
}
