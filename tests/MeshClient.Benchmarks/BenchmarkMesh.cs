using MeshClient.Configuration;
using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Identity;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Benchmarks;

/// <summary>A whole mesh client as an app gets it, over a list of instances, with or without a network under it.</summary>
internal sealed class BenchmarkMesh : IAsyncDisposable
{
    public static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly ServiceProvider _services;

    private BenchmarkMesh(ServiceProvider services) => _services = services;

    /// <summary>Makes a client.</summary>
    /// <param name="controlPlane">Where its instances and certificates come from.</param>
    /// <param name="network">Stands in for the network; null: real sockets.</param>
    /// <param name="configure">How its calls are made; null: by default.</param>
    /// <param name="instances">Where its instances come from; null: the control plane.</param>
    public static BenchmarkMesh Create(
        InMemoryControlPlane controlPlane,
        HttpMessageHandler? network,
        Action<MeshDestinationOptions>? configure = null,
        IInstanceSource? instances = null)
    {
        var services = new ServiceCollection();
        services.AddSingleton(instances ?? controlPlane);
        services.AddSingleton<ILeafCertificateSource>(controlPlane);
        services.AddSingleton<ITrustBundleSource>(controlPlane);
        if (network is not null)
        {
            services.AddSingleton(provider => new TransportFactory(
                provider.GetRequiredService<MeshIdentity>(),
                TimeSpan.FromSeconds(10),
                TimeProvider.System,
                provider.GetRequiredService<MeshRandom>(),
                NullLogger<TransportFactory>.Instance,
                _ => network));
        }

        services.AddMeshClient(options =>
        {
            options.Service = "web";
            configure?.Invoke(options.Defaults);
        });
        return new BenchmarkMesh(services.BuildServiceProvider());
    }

    /// <summary>Instances of the mesh at 127.0.0.1, with ports counted up from the first.</summary>
    public static EquatableArray<ServiceInstance> Instances(int count, int firstPort) => EquatableArray.From(
        Enumerable.Range(0, count).Select(i => new ServiceInstance
        {
            Id = new InstanceId($"orders-{i}"),
            Service = Orders,
            ExpectedService = Orders,
            Datacenter = "dc1",
            Endpoints = [new InstanceEndpoint(null, "127.0.0.1", firstPort + (i % 60000), InstanceSecurity.Mesh)],
        }));

    /// <summary>A client that does nothing but lead calls into the mesh.</summary>
    public HttpMessageInvoker Invoker() => new(_services.GetRequiredService<MeshHandlerFactory>().Create());

    /// <summary>What opens connections to an instance.</summary>
    public InstanceConnector Connector(ServiceInstance instance) => _services.GetRequiredService<TransportFactory>()
        .CreateConnector(instance, instance.Endpoints[0], TimeSpan.FromSeconds(10), protocols: null);

    /// <summary>Where an address leads; its service is watched from now on.</summary>
    public Destination Destination(Uri uri) =>
        _services.GetRequiredService<DestinationTable>().TryFind(uri, out var destination)
            ? destination
            : throw new ArgumentException("It is no service.", nameof(uri));

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
