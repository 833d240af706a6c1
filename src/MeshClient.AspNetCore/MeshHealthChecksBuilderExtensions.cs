using MeshClient.AspNetCore.Peers;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds what the mesh knows of this process to the app's health checks.</summary>
public static class MeshHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds a check named <c>mesh-identity</c>: degraded when this process's certificate should have been renewed or is not there
    /// yet, unhealthy when it has ended. Needs <c>AddMeshInbound()</c> or <c>AddMeshClient()</c>.
    /// </summary>
    /// <param name="builder">The app's health checks.</param>
    /// <param name="failureStatus">What it is when the certificate has ended. Default: unhealthy.</param>
    /// <param name="tags">Tags, to choose checks by. Default: none.</param>
    public static IHealthChecksBuilder AddMeshIdentity(
        this IHealthChecksBuilder builder, HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddCheck<MeshIdentityHealthCheck>("mesh-identity", failureStatus, tags ?? []);
    }
}
