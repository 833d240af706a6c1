using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Discovery;
using MeshClient.Resilience;

namespace MeshClient.Outbound;

/// <summary>
/// Waits for what the first call to a service needs: its instances, and our certificate where they ask for one. Never longer
/// than <see cref="MeshOptions.DiscoveryTimeout"/>, the call's own time or the ambient deadline.
/// </summary>
internal sealed class CallPreparation(DestinationTable destinations, MeshOptions options, TimeProvider time)
{
    /// <summary>Waits.</summary>
    /// <returns>What the call has to fail with; null when it may go on.</returns>
    /// <exception cref="OperationCanceledException">The app gave up.</exception>
    public async Task<MeshCallException?> WaitAsync(Destination destination, CancellationToken cancellationToken)
    {
        var service = destination.Service;
        var (limit, reason) = Limit(service.Settings.CallTimeout);
        using var timer = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            await destinations.PrepareAsync(destination, both.Token).ConfigureAwait(false);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            var setting = reason is null ? " (Mesh:DiscoveryTimeout)" : string.Empty;
            return service.Snapshot is null
                ? Failure(reason ?? MeshFailureReason.DiscoveryFailed, "Discovery", service, $"the registry did not answer within {limit}{setting}", service.DiscoveryFailure)
                : Failure(reason ?? MeshFailureReason.NoIdentity, "Identity", service, $"no certificate was issued within {limit}{setting}", destinations.IdentityFailure);
        }
        catch (ControlPlaneException e)
        {
            return service.Snapshot is null
                ? Failure(MeshFailureReason.DiscoveryFailed, "Discovery", service, "the registry refused", e)
                : Failure(MeshFailureReason.NoIdentity, "Identity", service, "the certificate authority refused", e);
        }
        catch (InvalidOperationException e)
        {
            return Failure(MeshFailureReason.NoIdentity, "Identity", service, e.Message, null);
        }
    }

    private (TimeSpan Limit, MeshFailureReason? Reason) Limit(TimeSpan callTimeout)
    {
        (TimeSpan Limit, MeshFailureReason? Reason) limit = (options.DiscoveryTimeout, null);
        if (callTimeout > TimeSpan.Zero && callTimeout < limit.Limit)
        {
            limit = (callTimeout, MeshFailureReason.DeadlineExceeded);
        }

        return MeshDeadline.Current?.Remaining is { } left && left < limit.Limit ? (left, MeshFailureReason.DeadlineExceeded) : limit;
    }

    private static MeshCallException Failure(
        MeshFailureReason reason, string stage, ServiceState service, string problem, Exception? cause) =>
        new(
            reason,
            service.Service.Value,
            stage,
            $"Call to '{service.Service}' was not made: {problem}{(cause is null ? string.Empty : $": {cause.Message}")}",
            cause);
}
