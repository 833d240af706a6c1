using MeshClient.Identity;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace MeshClient.AspNetCore.Peers;

/// <summary>Healthy with a valid certificate, degraded while it is overdue or not there yet, unhealthy when it has ended or cannot be had.</summary>
internal sealed class MeshIdentityHealthCheck(MeshIdentityMonitor monitor) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var status = monitor.Current;
        var text = status.NotAfter is { } end ? $"The certificate of {status.Id} is valid until {end:O}." : "There is no certificate.";
        if (status.Problem is { } problem)
        {
            text = $"{text} {problem}";
        }

        return Task.FromResult(new HealthCheckResult(
            status.State switch
            {
                MeshIdentityState.Valid => HealthStatus.Healthy,
                MeshIdentityState.Overdue or MeshIdentityState.Pending => HealthStatus.Degraded,
                _ => context.Registration.FailureStatus,
            },
            text));
    }
}
