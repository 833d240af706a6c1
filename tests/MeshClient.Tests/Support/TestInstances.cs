using System.Net;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Identity;
using MeshClient.Testing;
using MeshClient.Transport;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Support;

/// <summary>Instances for tests of the parts that count about them, with nothing behind them.</summary>
internal static class TestInstances
{
    public static readonly ServiceName Service = ServiceName.Parse("orders");

    public static ServiceInstance Describe(string id = "orders-1", int port = 1001, params InstanceEndpoint[] endpoints) => new()
    {
        Id = new InstanceId(id),
        Service = Service,
        ExpectedService = Service,
        Datacenter = "dc1",
        Endpoints = Core.EquatableArray.From<InstanceEndpoint>(
            endpoints.Length > 0 ? endpoints : [new InstanceEndpoint(null, "127.0.0.1", port, InstanceSecurity.Mesh)]),
    };

    public static InstanceState[] Make(
        int count, TimeProvider time, Func<int, int>? weight = null, bool allMayBeEjected = false, Func<int, string?>? zone = null)
    {
        var random = new MeshRandom(1);
        // Panic would let calls go to those that are ejected after all.
        var health = TestHealth.Make(time, random, allMayBeEjected ? new MeshHealthOptions { MaxEjectionPercent = 100, PanicPercent = 0 } : null);
        var factory = Transports(time, random);
        return [.. Enumerable.Range(0, count).Select(i => Make(
            Describe($"orders-{i}", 1001 + i) with { Weight = weight?.Invoke(i) ?? 1, Zone = zone?.Invoke(i) },
            time,
            health,
            factory))];
    }

    /// <summary>One instance, of which nothing is known.</summary>
    public static InstanceState Make(ServiceInstance description, TimeProvider time)
    {
        var health = TestHealth.Make(time);
        health.Join(9);
        return Make(description, time, health);
    }

    /// <summary>One instance of a service there is.</summary>
    public static InstanceState Make(ServiceInstance description, TimeProvider time, ServiceHealth health) =>
        Make(description, time, health, Transports(time, new MeshRandom(1)));

    /// <summary>One instance of a service there is, over connections of one's own.</summary>
    public static InstanceState Make(
        ServiceInstance description, TimeProvider time, ServiceHealth health, TransportFactory factory) => new(
            description,
            description.Endpoints[0],
            health,
            time.TimestampFrequency,
            vitals => new InstanceTransport(factory, description, description.Endpoints[0], MeshDefaults.ConnectTimeout, vitals));

    public static ServiceBalancer Balancer(
        TimeProvider time,
        MeshBalancingOptions? options = null,
        CallerFleet? fleet = null,
        string? zone = null,
        MeshRandom? random = null) => new(
            BalancingSettings.For(options, new MeshBalancingOptions()),
            null,
            fleet ?? Fleet(time),
            zone,
            time,
            random ?? new MeshRandom(5));

    /// <summary>The copies of an app of which nothing is known.</summary>
    public static CallerFleet Fleet(TimeProvider time, ServiceName? service = null, IInstanceSource? source = null)
    {
        var random = new MeshRandom(6);
        return new CallerFleet(service, source, new WatchRunner(time, random, NullLogger<WatchRunner>.Instance), random);
    }

    /// <summary>A service with nothing listed, for what only looks at how it is called.</summary>
    public static ServiceState State(TimeProvider time, MeshRandom random, MeshOptions? options = null)
    {
        var settings = DestinationSettings.For(options ?? new MeshOptions(), Service.Value);
        return new ServiceState(
            Service,
            new InMemoryControlPlane(),
            settings,
            false,
            new WatchRunner(time, random, NullLogger<WatchRunner>.Instance),
            Transports(time, random),
            time,
            random,
            new ServiceBalancer(settings.Balancing, null, Fleet(time), null, time, random));
    }

    /// <summary>Fails an instance until it is ejected.</summary>
    public static void Eject(InstanceState instance, long now)
    {
        for (var i = 0; i < MeshDefaults.ConsecutiveFailures; i++)
        {
            instance.Ejection.Failed(Admission.Ordinary, now);
        }
    }

    public static TransportFactory Transports(
        TimeProvider time, MeshRandom random, Func<InstanceConnector, HttpMessageHandler>? handlers = null) => new(
            new MeshIdentity(
                default, null, null, new WatchRunner(time, random, NullLogger<WatchRunner>.Instance), NullLogger<MeshIdentity>.Instance),
            TimeSpan.Zero,
            time,
            random,
            NullLogger<TransportFactory>.Instance,
            handlers ?? (_ => new Answering()));

    private sealed class Answering : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK));
    }
}
