using MeshClient.Configuration;
using MeshClient.Discovery;
using Microsoft.Extensions.Options;

namespace MeshClient.Outbound;

/// <summary>
/// Leads calls to services of the mesh through the outbound pipeline, and all others to the inner handler, untouched. Added to
/// every client of the factory by <c>AddMeshClient()</c>; for a hand-made <see cref="HttpClient"/> take one from
/// <see cref="MeshHandlerFactory"/>.
/// </summary>
/// <remarks>
/// Whether a host is of the mesh: it has no port and is no IP address, and either the section <c>Services</c> or
/// <c>Mesh:Destinations</c> names it, or it is a single label and the registry has, or had, an instance of it. While the registry
/// has not answered yet, a single label is taken for a service: it is never sent elsewhere on a guess.
/// </remarks>
public sealed class MeshHandler : DelegatingHandler
{
    private readonly DestinationTable _destinations;
    private readonly OutboundPipeline _pipeline;
    private readonly CallPreparation _preparation;
    private readonly MeshOptions _options;
    private readonly TimeProvider _time;

    internal MeshHandler(DestinationTable destinations, OutboundPipeline pipeline, IOptions<MeshOptions> options, TimeProvider time)
    {
        _destinations = destinations;
        _pipeline = pipeline;
        _options = options.Value;
        _preparation = new CallPreparation(destinations, _options, time);
        _time = time;
    }

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.RequestUri is not { } uri || !_destinations.TryFind(uri, out var destination))
        {
            return SendOutsideAsync(request, cancellationToken);
        }

        var startedAt = _time.GetTimestamp();
        destination.Touch(startedAt);
        return _destinations.IsReady(destination) && destination.Service.IsKnown
            ? _pipeline.SendAsync(request, destination, startedAt, readyAt: startedAt, rejection: null, cancellationToken)
            : PrepareAndSendAsync(request, destination, startedAt, cancellationToken);
    }

    /// <summary>Not supported: a call over the network has no synchronous form here.</summary>
    /// <exception cref="NotSupportedException">The host is of the mesh.</exception>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.RequestUri is { } uri && _destinations.TryFind(uri, out _))
        {
            throw new NotSupportedException("Calls into the mesh are asynchronous: use SendAsync.");
        }

        RefuseOutside(request);
        return base.Send(request, cancellationToken);
    }

    private async Task<HttpResponseMessage> PrepareAndSendAsync(
        HttpRequestMessage request, Destination destination, long startedAt, CancellationToken cancellationToken)
    {
        var service = destination.Service;
        MeshCallException? rejection;
        service.BeginPreparing();
        try
        {
            rejection = await _preparation.WaitAsync(destination, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            service.EndPreparing();
        }

        // A call that cannot be made goes the way of all calls as well, so that it is measured.
        return rejection is not null || service.IsKnown
            ? await _pipeline.SendAsync(request, destination, startedAt, _time.GetTimestamp(), rejection, cancellationToken).ConfigureAwait(false)
            : await SendOutsideAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private Task<HttpResponseMessage> SendOutsideAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        RefuseOutside(request);
        return base.SendAsync(request, cancellationToken);
    }

    private void RefuseOutside(HttpRequestMessage request)
    {
        if (request.RequestUri is { } uri)
        {
            if (DestinationTable.IsMeshScheme(uri))
            {
                throw new MeshCallException(
                    MeshFailureReason.NoInstances, uri.Host, "Discovery",
                    $"No instance of '{uri.Host}' is known: neither the registry nor the section Services has one.");
            }

            if (_options.OutboundTraffic == OutboundTrafficPolicy.MeshOnly)
            {
                throw new MeshCallException(
                    MeshFailureReason.OutsideMesh, uri.Host, "Discovery",
                    $"Call to '{uri.Host}' was not made: it is no service of the mesh, and Mesh:OutboundTraffic is MeshOnly.");
            }
        }
    }
}
