using MeshClient.Configuration;
using MeshClient.Discovery;
using Microsoft.Extensions.Options;

namespace MeshClient.Outbound;

/// <summary>Makes handlers that lead calls into the mesh, for clients that are not made by <c>IHttpClientFactory</c>.</summary>
public sealed class MeshHandlerFactory
{
    private readonly DestinationTable _destinations;
    private readonly OutboundPipeline _pipeline;
    private readonly IOptions<MeshOptions> _options;
    private readonly TimeProvider _time;

    internal MeshHandlerFactory(
        DestinationTable destinations, OutboundPipeline pipeline, IOptions<MeshOptions> options, TimeProvider time)
    {
        _destinations = destinations;
        _pipeline = pipeline;
        _options = options;
        _time = time;
    }

    /// <summary>The stages every call goes through, in order.</summary>
    public IEnumerable<StageDescriptor> Stages => _pipeline.Stages.Descriptors;

    /// <summary>Makes a handler. All handlers share what is known and counted of services, and their connections.</summary>
    /// <param name="innerHandler">Where calls to other hosts go. Null: a new <see cref="SocketsHttpHandler"/>.</param>
    public MeshHandler Create(HttpMessageHandler? innerHandler = null) =>
        new(_destinations, _pipeline, _options, _time) { InnerHandler = innerHandler ?? new SocketsHttpHandler() };

    /// <summary>Makes a handler without an inner one, for a chain that sets it.</summary>
    internal MeshHandler CreateLink() => new(_destinations, _pipeline, _options, _time);
}
