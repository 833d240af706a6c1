using MeshClient.AspNetCore.Restart;
using MeshClient.Restart;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Seals the state file by the data protection of ASP.NET Core.</summary>
public static class MeshDataProtectionExtensions
{
    /// <summary>
    /// Seals the state file (<c>Mesh:StateFile:Path</c>) with the app's data protection keys instead of a key of its own. The keys
    /// have to outlive the process, as those in the user's profile do; in a container say where they are kept, by
    /// <c>AddDataProtection().PersistKeysToFileSystem(…)</c>, or every file is refused at the next start. Without a path nothing
    /// happens.
    /// </summary>
    /// <param name="services">The app's services.</param>
    public static IServiceCollection AddMeshDataProtection(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddDataProtection();
        services.TryAddSingleton<IStateProtector, DataProtectionStateProtector>();
        return services;
    }
}
