using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Outbound;
using Microsoft.Extensions.Options;

namespace MeshClient.Dialing;

/// <summary>Leads connections to be opened through the outbound pipeline.</summary>
internal sealed class MeshDialer(
    DestinationTable destinations, OutboundPipeline pipeline, DialTelemetry telemetry, IOptions<MeshOptions> options, TimeProvider time)
    : IMeshDialer
{
    // Mesh instances are taken before all others whatever the scheme says; of others, those with TLS first.
    private const string Scheme = "https+http://";

    private readonly CallPreparation _preparation = new(destinations, options.Value, time);

    public async Task<MeshConnection> ConnectAsync(string service, CancellationToken cancellationToken = default)
    {
        var destination = Find(service);
        var startedAt = time.GetTimestamp();
        destination.Touch(startedAt);
        var rejection = destinations.IsReady(destination) && destination.Service.IsKnown
            ? null
            : await PrepareAsync(destination, cancellationToken).ConfigureAwait(false);
        var request = new DialRequest(destination.MeshBase, telemetry.Of(destination.Name.Service.Value), time);
        var answer = await pipeline.SendAsync(request, destination, startedAt, time.GetTimestamp(), rejection, cancellationToken).ConfigureAwait(false);
        // The answer is only what it came in; to dispose it would close the connection.
        return ((DialedContent)answer.Content).Connection;
    }

    private Destination Find(string service)
    {
        ArgumentException.ThrowIfNullOrEmpty(service);
        if (!Uri.TryCreate(Scheme + service, UriKind.Absolute, out var address) || address.PathAndQuery.Length > 1
            || !DestinationName.TryParse(address, out var name))
        {
            throw new ArgumentException(
                $"'{service}' is not the name of a service, such as postgres, or _admin.postgres for its endpoint 'admin'; it has no port, path or scheme.",
                nameof(service));
        }

        return destinations.TryFind(address, out var destination) ? destination : throw Unknown(name.Value.Service.Value);
    }

    private async Task<MeshCallException?> PrepareAsync(Destination destination, CancellationToken cancellationToken)
    {
        var service = destination.Service;
        service.BeginPreparing();
        try
        {
            var rejection = await _preparation.WaitAsync(destination, cancellationToken).ConfigureAwait(false);
            return rejection ?? (service.IsKnown ? null : Unknown(service.Service.Value));
        }
        finally
        {
            service.EndPreparing();
        }
    }

    private static MeshCallException Unknown(string service) => new(
        MeshFailureReason.NoInstances,
        service,
        "Discovery",
        $"No instance of '{service}' is known: neither the registry nor the section Services has one. A name with a dot is asked of the registry only when Mesh:Destinations has it.");
}
