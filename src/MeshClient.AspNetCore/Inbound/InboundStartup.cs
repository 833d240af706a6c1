using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Intentions;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Identity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Holds the host's start until this service can prove who it is and knows who may call it: before the server binds, so that
/// nobody meets a listener that cannot serve.
/// </summary>
internal sealed partial class InboundStartup(
    MeshIdentity identity,
    InboundIntentions intentions,
    IOptions<MeshInboundOptions> options,
    IOptions<MeshOptions> mesh,
    TimeProvider time,
    ILogger<InboundStartup> logger)
{
    /// <summary>Waits, within the start timeout.</summary>
    /// <exception cref="InvalidOperationException">There is no identity, and what to do about it.</exception>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        if (!options.Value.Enabled)
        {
            LogDisabled(logger);
            return;
        }

        if (!identity.IsConfigured)
        {
            throw new InvalidOperationException(
                "This app takes calls from the mesh, but has no identity there: set Mesh:Service to its service name and Mesh:ControlPlane:Address (or CONSUL_HTTP_ADDR) to a registry. To run it alone, without the mesh and without enforcement, set Mesh:Inbound:Enabled to false.");
        }

        intentions.Start();
        using var timeout = new CancellationTokenSource(options.Value.StartTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        await WaitForIdentityAsync(both.Token, cancellationToken).ConfigureAwait(false);
        await WaitForIntentionsAsync(both.Token, cancellationToken).ConfigureAwait(false);
    }

    private async Task WaitForIdentityAsync(CancellationToken bounded, CancellationToken host)
    {
        try
        {
            await identity.GetAsync(bounded).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ControlPlaneException || (e is OperationCanceledException && !host.IsCancellationRequested))
        {
            var registry = mesh.Value.ControlPlane.Address is { } address ? $"the control plane at {address}" : "the control plane";
            var refused = e is ControlPlaneException;
            throw new InvalidOperationException(
                $"Service '{identity.Service}' got no certificate from {registry} {(refused ? "and will not get one" : $"within {options.Value.StartTimeout}")}: {(refused ? e.Message : identity.LastFailure?.Message ?? "no answer yet")}. Without one its mesh listener cannot start. Check that the control plane is up, that its certificate authority is on, and that the token may act for this service.",
                e);
        }
    }

    private async Task WaitForIntentionsAsync(CancellationToken bounded, CancellationToken host)
    {
        try
        {
            await intentions.WaitAsync(bounded).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ControlPlaneException || (e is OperationCanceledException && !host.IsCancellationRequested))
        {
            LogStartsClosed(logger, identity.Service.Value, intentions.DescribeFailure() ?? e.Message);
        }
    }

    [LoggerMessage(
        105, LogLevel.Warning, "Mesh:Inbound:Enabled is false: this app has no mesh listener and its endpoints are not protected by the mesh.")]
    private static partial void LogDisabled(ILogger logger);

    [LoggerMessage(
        106, LogLevel.Error, "Service {Service} starts closed: its intentions could not be read, and until they are every call is denied. {Problem}")]
    private static partial void LogStartsClosed(ILogger logger, string service, string problem);
}
