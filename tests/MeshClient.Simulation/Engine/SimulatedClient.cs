using System.Net;
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

namespace MeshClient.Simulation.Engine;

/// <summary>
/// A whole MeshClient as an app gets it, every stage of it, over simulated instances: only the sockets and the clock are not
/// real.
/// </summary>
internal sealed class SimulatedClient : IAsyncDisposable
{
    private static readonly ServiceName Service = ServiceName.Parse("backend");
    private static readonly Uri Address = new("https://backend/");

    private readonly ServiceProvider _services;
    private readonly HttpMessageInvoker _invoker;

    private SimulatedClient(ServiceProvider services)
    {
        _services = services;
        _invoker = new HttpMessageInvoker(services.GetRequiredService<MeshHandlerFactory>().Create());
    }

    /// <summary>Makes a client that knows the instances listed so far, and hears of the others when they come.</summary>
    public static async Task<SimulatedClient> CreateAsync(
        VirtualClock clock, ulong seed, IReadOnlyList<SimulatedInstance> instances, Action<MeshDestinationOptions> configure)
    {
        var controlPlane = new InMemoryControlPlane();
        List(clock.Now);
        foreach (var moment in instances.Select(instance => instance.ListedFrom).Where(moment => moment > clock.Now).Distinct())
        {
            clock.At(moment, () => List(moment));
        }

        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(clock);
        services.AddSingleton(new MeshRandom(seed));
        services.AddSingleton<IInstanceSource>(controlPlane);
        services.AddSingleton<ILeafCertificateSource>(controlPlane);
        services.AddSingleton<ITrustBundleSource>(controlPlane);
        services.AddSingleton(provider => new TransportFactory(
            provider.GetRequiredService<MeshIdentity>(),
            TimeSpan.FromSeconds(10),
            clock,
            provider.GetRequiredService<MeshRandom>(),
            NullLogger<TransportFactory>.Instance,
            connector => new Wire(instances[connector.Endpoint.Port - 1])));
        services.AddMeshClient(options =>
        {
            options.Service = "client";
            options.WatchIdleTimeout = TimeSpan.FromDays(1);
            configure(options.Defaults);
        });
        var client = new SimulatedClient(services.BuildServiceProvider());
        await client.WarmUpAsync();
        return client;

        void List(TimeSpan moment) => controlPlane.SetInstances(
            Service, [.. Enumerable.Range(0, instances.Count).Where(i => instances[i].ListedFrom <= moment).Select(Describe)]);
    }

    /// <summary>Makes one call.</summary>
    public async Task<HttpStatusCode> CallAsync(CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Address);
        try
        {
            using var response = await _invoker.SendAsync(request, cancellationToken);
            return response.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return HttpStatusCode.GatewayTimeout;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _invoker.Dispose();
        await _services.DisposeAsync();
    }

    // The instances and the certificate come on other threads, in real time, and calls would wait for them in virtual time.
    private async Task WarmUpAsync()
    {
        var destinations = _services.GetRequiredService<DestinationTable>();
        if (!destinations.TryFind(Address, out var destination))
        {
            throw new InvalidOperationException("The simulated service is not of the mesh.");
        }

        await destinations.PrepareAsync(destination, CancellationToken.None);
    }

    private static ServiceInstance Describe(int number) => new()
    {
        Id = new InstanceId($"backend-{number}"),
        Service = Service,
        ExpectedService = Service,
        Datacenter = "dc1",
        Endpoints = EquatableArray.From([new InstanceEndpoint(null, "127.0.0.1", number + 1, InstanceSecurity.Mesh)]),
    };

    private sealed class Wire(SimulatedInstance instance) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            instance.HandleAsync(cancellationToken);
    }
}
