using MeshClient.Consul.Tests.Fakes;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class ControlPlaneContract
{
    [Fact]
    public async Task Register_MeshInstance_IsFoundWithEveryPart()
    {
        var service = Name("orders");
        var registration = Registration(service) with
        {
            Weight = 7,
            Endpoints =
            [
                new InstanceEndpoint(null, "127.0.0.1", 8080, InstanceSecurity.Mesh),
                new InstanceEndpoint("admin", "127.0.0.1", 9090, InstanceSecurity.Plaintext),
                new InstanceEndpoint("grpc", "127.0.0.2", 9091, InstanceSecurity.Mesh),
            ],
        };

        await Plane.RegisterAsync(registration, Cancellation);

        var found = Assert.Single((await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count > 0)).Instances);
        Assert.Equal(
            new ServiceInstance
            {
                Id = registration.Id,
                Service = service,
                Endpoints = registration.Endpoints,
                ExpectedService = service,
                Datacenter = "dc1",
                Zone = registration.Meta[ServiceInstance.ZoneMetaKey],
                Health = InstanceHealth.Passing,
                Weight = 7,
                Tags = registration.Tags,
                Meta = registration.Meta,
            },
            found);
    }

    [Fact]
    public async Task Register_PlainInstance_IsPlaintext()
    {
        var service = Name("plain");

        await Plane.RegisterAsync(Registration(service, security: InstanceSecurity.Plaintext), Cancellation);

        var found = Assert.Single((await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count > 0)).Instances);
        Assert.Equal(InstanceSecurity.Plaintext, found.Endpoints[0].Security);
        Assert.False(found.PlaintextAllowed);
    }

    [Fact]
    public async Task Register_SecondTime_ReplacesTheFirst()
    {
        var service = Name("orders");
        await Plane.RegisterAsync(Registration(service, port: 8080), Cancellation);

        await Plane.RegisterAsync(Registration(service, port: 8081), Cancellation);

        var snapshot = await UntilInstancesAsync(service, snapshot => snapshot.Instances.Any(instance => instance.Endpoints[0].Port == 8081));
        Assert.Single(snapshot.Instances);
    }

    [Fact]
    public async Task Register_SeveralCopies_AreAllFound()
    {
        var service = Name("orders");
        for (var i = 1; i <= 5; i++)
        {
            await Plane.RegisterAsync(Registration(service, 8000 + i, copy: $"{i}"), Cancellation);
        }

        var snapshot = await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count == 5);
        Assert.Equal([8001, 8002, 8003, 8004, 8005], snapshot.Instances.Select(instance => instance.Endpoints[0].Port).Order());
    }

    [Fact]
    public async Task Register_RefusedByTheRegistry_IsRejected()
    {
        var registration = Registration(Name("orders")) with
        {
            Meta = Registration(Name("orders")).Meta.Add("bad key", "v"),
        };

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => Plane.RegisterAsync(registration, Cancellation));

        Assert.Equal(ControlPlaneFailure.Rejected, e.Failure);
    }

    [Fact]
    public async Task Beat_KnownInstance_IsAccepted()
    {
        var registration = Registration(Name("orders"));
        await Plane.RegisterAsync(registration, Cancellation);

        Assert.Equal(HeartbeatResult.Accepted, await Plane.BeatAsync(registration.Id, "a note & more?", Cancellation));
    }

    [Fact]
    public async Task Beat_UnknownInstance_SaysSo() =>
        Assert.Equal(HeartbeatResult.UnknownInstance, await Plane.BeatAsync(new InstanceId($"nobody-{_suffix}"), "", Cancellation));

    [Fact]
    public async Task Beat_AfterDeregistration_SaysSo()
    {
        var registration = Registration(Name("orders"));
        await Plane.RegisterAsync(registration, Cancellation);
        await Plane.DeregisterAsync(registration.Id, Cancellation);

        Assert.Equal(HeartbeatResult.UnknownInstance, await Plane.BeatAsync(registration.Id, "", Cancellation));
    }

    [Fact]
    public async Task TimeToLive_RunsOut_IsCriticalUntilTheNextBeat()
    {
        var service = Name("orders");
        var registration = Registration(service) with { TimeToLive = TimeSpan.FromSeconds(1) };
        await Plane.RegisterAsync(registration, Cancellation);

        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Critical));
        await Plane.BeatAsync(registration.Id, "", Cancellation);

        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Passing));
    }

    [Fact]
    public async Task Register_AgainWhileCritical_Passes()
    {
        var service = Name("orders");
        var registration = Registration(service) with { TimeToLive = TimeSpan.FromSeconds(1) };
        await Plane.RegisterAsync(registration, Cancellation);
        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Critical));

        await Plane.RegisterAsync(registration with { TimeToLive = TimeSpan.FromSeconds(60) }, Cancellation);

        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Passing));
    }

    [Fact]
    public async Task Check_Warns_TakesTheWarningWeight()
    {
        var service = Name("orders");
        var registration = Registration(service) with { Weight = 9 };
        await Plane.RegisterAsync(registration, Cancellation);

        await PutAsync($"v1/agent/check/warn/service:{registration.Id}");

        var found = (await UntilInstancesAsync(service, HasHealth(InstanceHealth.Warning))).Instances[0];
        Assert.Equal(1, found.Weight);
    }

    [Fact]
    public async Task Maintenance_OnAndOff_IsCriticalThenPassing()
    {
        var service = Name("orders");
        var registration = Registration(service);
        await Plane.RegisterAsync(registration, Cancellation);

        await Plane.SetMaintenanceAsync(registration.Id, true, "drain & stop", Cancellation);
        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Critical));
        await Plane.SetMaintenanceAsync(registration.Id, false, "", Cancellation);
        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Passing));
    }

    [Fact]
    public async Task Deregister_KnownInstance_IsGone()
    {
        var service = Name("orders");
        var registration = Registration(service);
        await Plane.RegisterAsync(registration, Cancellation);
        await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count == 1);

        await Plane.DeregisterAsync(registration.Id, Cancellation);

        await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count == 0);
    }

    [Fact]
    public async Task MaintenanceAndDeregister_UnknownInstance_AreIgnored()
    {
        await Plane.SetMaintenanceAsync(new InstanceId($"nobody-{_suffix}"), true, "x", Cancellation);
        await Plane.DeregisterAsync(new InstanceId($"nobody-{_suffix}"), Cancellation);
    }

    [Fact]
    public async Task Registrar_IdWithUnusualCharacters_WorksThroughout()
    {
        var service = Name("orders");
        var registration = Registration(service) with { Id = new InstanceId($"a b%2F?#&+é-{_suffix}") };
        await Plane.RegisterAsync(registration, Cancellation);
        Assert.Equal(registration.Id, (await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count == 1)).Instances[0].Id);

        Assert.Equal(HeartbeatResult.Accepted, await Plane.BeatAsync(registration.Id, "", Cancellation));
        await Plane.SetMaintenanceAsync(registration.Id, true, "x", Cancellation);
        await UntilInstancesAsync(service, HasHealth(InstanceHealth.Critical));
        await Plane.DeregisterAsync(registration.Id, Cancellation);
        await UntilInstancesAsync(service, snapshot => snapshot.Instances.Count == 0);
    }

    [Fact]
    public async Task Read_AbsentService_IsEmptyAndCanBeWatched()
    {
        var watched = await Plane.ReadInstancesAsync(Name("nobody"), 0, Cancellation);

        Assert.Empty(watched.Value.Instances);
        Assert.NotEqual(0UL, watched.Index);
    }

    [Theory]
    [InlineData(InstanceSecurity.Mesh)]
    [InlineData(InstanceSecurity.Plaintext)]
    public async Task Watch_AbsentService_WakesWhenItAppears(InstanceSecurity security)
    {
        var service = Name("late");
        var first = await Plane.ReadInstancesAsync(service, 0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();
        var watching = UntilChangedAsync(service, first);

        await Plane.RegisterAsync(Registration(service, security: security), Cancellation);

        Assert.Equal(security, Assert.Single((await watching).Instances).Endpoints[0].Security);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Theory]
    [InlineData(InstanceSecurity.Mesh)]
    [InlineData(InstanceSecurity.Plaintext)]
    public async Task Watch_OwnServiceChanges_Wakes(InstanceSecurity security)
    {
        var service = Name("orders");
        await Plane.RegisterAsync(Registration(service, security: security), Cancellation);
        var first = await Plane.ReadInstancesAsync(service, 0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();
        var watching = UntilChangedAsync(service, first);

        await Plane.RegisterAsync(Registration(service, 8081, "2", security), Cancellation);

        Assert.Equal(2, (await watching).Instances.Count);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Watch_OtherServiceChanges_SleepsOn()
    {
        using var plane = CreatePlane(TimeSpan.FromSeconds(2));
        var service = Name("orders");
        await plane.RegisterAsync(Registration(service), Cancellation);
        var first = await plane.ReadInstancesAsync(service, 0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();
        var watching = plane.ReadInstancesAsync(service, first.Index, Cancellation);

        await plane.RegisterAsync(Registration(Name("other")), Cancellation);

        Assert.Equal(first, await watching);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Watch_IdenticalRegistrationAndBeats_SleepsOn()
    {
        using var plane = CreatePlane(TimeSpan.FromSeconds(2));
        var service = Name("orders");
        await plane.RegisterAsync(Registration(service), Cancellation);
        var first = await plane.ReadInstancesAsync(service, 0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();
        var watching = plane.ReadInstancesAsync(service, first.Index, Cancellation);

        await plane.RegisterAsync(Registration(service), Cancellation);
        await plane.BeatAsync(Registration(service).Id, "still here", Cancellation);

        Assert.Equal(first, await watching);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Watch_IndexFromAnotherLife_BeginsAgain()
    {
        using var plane = CreatePlane(TimeSpan.FromSeconds(1));
        var service = Name("orders");
        await plane.RegisterAsync(Registration(service), Cancellation);
        var first = await plane.ReadInstancesAsync(service, 0, Cancellation);
        var ahead = WatchMark.FromOpaque(first.Index) with { Index = WatchMark.GreatestIndex };

        var lowered = await plane.ReadInstancesAsync(service, ahead.ToOpaque(), Cancellation);

        Assert.Equal(first.Value, lowered.Value);
        Assert.True(WatchMark.FromOpaque(lowered.Index).IsRestart);
        Assert.Equal(first, await plane.ReadInstancesAsync(service, lowered.Index, Cancellation));
    }

    [Fact]
    public async Task Read_InstanceBehindProxy_ShowsTheProxyAlone()
    {
        var service = Name("legacy");
        await Plane.RegisterAsync(Registration(service, 8080, security: InstanceSecurity.Plaintext), Cancellation);
        var first = await Plane.ReadInstancesAsync(service, 0, Cancellation);
        Assert.Equal(InstanceSecurity.Plaintext, Assert.Single(first.Value.Instances).Endpoints[0].Security);
        var watching = UntilChangedAsync(service, first);

        // As `consul connect proxy` and Envoy's sidecars register themselves.
        await PutAsync("v1/agent/service/register", new
        {
            ID = $"{service}-1-sidecar-proxy",
            Name = $"{service}-sidecar-proxy",
            Kind = "connect-proxy",
            Port = 21000,
            Address = "127.0.0.3",
            Proxy = new { DestinationServiceName = service.Value, DestinationServiceID = $"{service}-1" },
        });

        var found = Assert.Single((await watching).Instances);
        Assert.Equal(new InstanceEndpoint(null, "127.0.0.3", 21000, InstanceSecurity.Mesh), found.Endpoints[0]);
        Assert.Equal(service, found.Service);
        Assert.Equal(service, found.ExpectedService);
    }

    [Fact]
    public async Task Read_UnknownDatacenter_IsRejected()
    {
        var options = new ConsulOptions { Address = Raw.BaseAddress!, Datacenter = "nowhere" };
        using var plane = new ConsulControlPlane(options, TimeProvider.System);

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Name("orders"), 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Rejected, e.Failure);
        Assert.Contains("No path to datacenter", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watch_MoreServicesThanConnectionsAreAllowed_SeesAChangeOfTheLastOne()
    {
        // Consul resets the 201st connection of a client.
        const int Services = 250;
        for (var i = 0; i < Services; i++)
        {
            await Plane.RegisterAsync(Registration(Name($"many-{i}")), Cancellation);
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var known = 0;
        var changed = new TaskCompletionSource();
        var watching = Enumerable.Range(0, Services).Select(async i =>
        {
            var index = 0UL;
            while (true)
            {
                var watched = await Plane.ReadInstancesAsync(Name($"many-{i}"), index, stop.Token);
                if (index == 0)
                {
                    Interlocked.Increment(ref known);
                }

                index = watched.Index;
                if (i == Services - 1 && watched.Value.Instances.Any(instance => instance.Endpoints[0].Port == 8081))
                {
                    changed.TrySetResult();
                }
            }
        }).ToList();
        await Eventually.TrueAsync(() => known == Services, "all services are known");

        await Plane.RegisterAsync(Registration(Name($"many-{Services - 1}"), port: 8081), Cancellation);
        await await Task.WhenAny(watching.Append(changed.Task)).WaitAsync(Limit, Cancellation);

        await stop.CancelAsync();
        foreach (var watch in watching)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
        }
    }

    [Fact]
    public async Task Watch_Cancelled_EndsAtOnceAsCancelled()
    {
        var first = await Plane.ReadInstancesAsync(Name("orders"), 0, Cancellation);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var watching = Plane.ReadInstancesAsync(Name("orders"), first.Index, stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching.WaitAsync(TimeSpan.FromSeconds(5), Cancellation));
    }

    private static Func<ServiceSnapshot, bool> HasHealth(InstanceHealth health) =>
        snapshot => snapshot.Instances.Count == 1 && snapshot.Instances[0].Health == health;

    /// <summary>Goes on watching from a first answer until the value differs; waking for nothing is allowed.</summary>
    private async Task<ServiceSnapshot> UntilChangedAsync(ServiceName service, Watched<ServiceSnapshot> first)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Limit);
        var watched = first;
        while (watched.Value == first.Value)
        {
            watched = await Plane.ReadInstancesAsync(service, watched.Index, limit.Token);
        }

        return watched.Value;
    }
}
