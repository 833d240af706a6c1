using System.Net;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Balancing;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Registration;

public sealed class MeshRegistrationTests
{
    [Fact]
    public async Task Start_RegistersTheRealPortAndWhatWasConfigured()
    {
        await using var host = await InboundTestHost.StartAsync(registration: options =>
        {
            options.Tags = ["v1"];
            options.Meta["version"] = "7";
            options.Weight = 3;
        });
        await host.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);

        var registration = Assert.Single(host.ControlPlane.Registrations);

        Assert.Equal(new InstanceEndpoint(null, "127.0.0.1", host.MeshPort, InstanceSecurity.Mesh), Assert.Single(registration.Endpoints));
        Assert.StartsWith($"orders-{Environment.MachineName}-{host.MeshPort}-", registration.Id.Value, StringComparison.Ordinal);
        Assert.Equal(("7", "v1", 3), (registration.Meta["version"], registration.Tags[0], registration.Weight));
        Assert.Equal(MeshRegistrationDefaults.TimeToLive, registration.TimeToLive);
        Assert.Equal(registration.Id, host.Registration.InstanceId);
        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered);
    }

    [Theory]
    [InlineData(null, "eu-1a")]
    [InlineData("by hand", "by hand")]
    public async Task Start_WithAZone_IsRegisteredWithItAndKnowsItself(string? meta, string expected)
    {
        await using var host = await InboundTestHost.StartAsync(
            settings: new Dictionary<string, string?> { ["Mesh:Zone"] = "eu-1a" },
            registration: options =>
            {
                if (meta is not null)
                {
                    options.Meta[ServiceInstance.ZoneMetaKey] = meta;
                }
            });
        await host.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(expected, host.ControlPlane.Registrations[0].Meta[ServiceInstance.ZoneMetaKey]);
        var fleet = host.Services.GetRequiredService<CallerFleet>();
        fleet.Start();
        await Eventually.HoldsAsync(() => fleet.Place(expected) == (0, 1));
    }

    [Fact]
    public async Task Start_OnEveryInterface_RegistersAnAddressOthersCanUse()
    {
        await using var host = await InboundTestHost.StartAsync(
            settings: new Dictionary<string, string?> { ["Mesh:Inbound:Address"] = "*:0" },
            registration: options => options.Port = 4711);
        await host.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);

        var endpoint = Assert.Single(Assert.Single(host.ControlPlane.Registrations).Endpoints);

        Assert.True(IPAddress.TryParse(endpoint.Host, out var address));
        Assert.NotEqual(IPAddress.Any, address);
        Assert.NotEqual(IPAddress.IPv6Any, address);
        Assert.Equal(4711, endpoint.Port);
    }

    [Fact]
    public async Task Start_WithRegistrationDown_ServesAndRegistersLater()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        var registrar = new FailingRegistrar(plane);
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane, build: builder => builder.Services.AddSingleton<IServiceRegistrar>(registrar));
        using var client = host.CallerFrom("web");

        Assert.Equal("hello", await client.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        Assert.Equal(RegistrationState.Pending, host.Registration.State);
        await Eventually.HoldsAsync(() => host.Logs.Of(162).Any());
        registrar.Mend();

        await Eventually.HoldsAsync(() => host.Registration.State == RegistrationState.Registered);
        Assert.Single(host.Logs.Of(162));
    }

    [Fact]
    public async Task Start_WithRegistrationOff_DoesNotRegister()
    {
        await using var host = await InboundTestHost.StartAsync(registration: options => options.Enabled = false);
        await host.StopAsync().Bounded();

        Assert.Empty(host.ControlPlane.Registrations);
        Assert.Empty(host.ControlPlane.Deregistrations);
        Assert.Equal(RegistrationState.None, host.Registration.State);
    }

    [Fact]
    public async Task Stop_WithRequestUnderWay_AnnouncesServesWaitsAndOnlyThenLeaves()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane, map: app =>
        {
            app.MapGet("/hello", () => "hello");
            app.MapGet("/slow", async () =>
            {
                entered.TrySetResult();
                await finish.Task;
                return "done";
            });
        });
        await plane.WaitForAsync(one => one.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
        using var client = host.CallerFrom("web");
        var slow = client.GetStringAsync("/slow", TestContext.Current.CancellationToken);
        await entered.Task.Bounded();

        var stop = host.StopAsync();
        await plane.WaitForAsync(one => one.Maintenance.Count == 1, cancellationToken: TestContext.Current.CancellationToken);

        // A caller that has not heard of it yet is still served, over old connections and new ones.
        Assert.True(plane.Maintenance[0].Enabled);
        Assert.Equal("hello", await client.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        using (var late = host.CallerFrom("web"))
        {
            Assert.Equal("hello", await late.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        }

        Assert.Equal(RegistrationState.Draining, host.Registration.State);
        Assert.Empty(plane.Deregistrations);
        Assert.False(stop.IsCompleted);
        finish.TrySetResult();

        Assert.Equal("done", await slow.Bounded());
        await stop.Bounded();
        Assert.Equal(host.Registration.InstanceId, Assert.Single(plane.Deregistrations));
        Assert.Equal(RegistrationState.Ended, host.Registration.State);
    }

    [Fact]
    public async Task Stop_UnderSteadyLoad_FailsNoCall()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane, registration: options => options.DrainDelay = TimeSpan.FromSeconds(4));
        await plane.WaitForAsync(one => one.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
        var served = 0;

        // Callers behave as the mesh's do: they call for as long as the registry shows the instance as usable.
        var callers = Enumerable.Range(0, 4).Select(number => Task.Run(async () =>
        {
            using var client = host.CallerFrom("web");
            client.DefaultRequestVersion = number % 2 == 0 ? HttpVersion.Version11 : HttpVersion.Version20;
            client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
            while (plane.Instances(InboundTestHost.Orders).Instances is [{ Health: InstanceHealth.Passing }])
            {
                Assert.Equal("hello", await client.GetStringAsync("/hello", TestContext.Current.CancellationToken));
                Interlocked.Increment(ref served);
            }
        })).ToArray();
        await Eventually.HoldsAsync(() => Volatile.Read(ref served) > 200);

        await host.StopAsync().Bounded();

        await Task.WhenAll(callers).Bounded();
    }

    [Fact]
    public async Task Stop_WithRequestThatNeverEnds_GivesUpAfterTheDrainTimeout()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane,
            registration: options => options.DrainTimeout = TimeSpan.FromMilliseconds(200),
            build: builder => builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(5)),
            map: app => app.MapGet("/forever", async (Microsoft.AspNetCore.Http.HttpContext context) =>
            {
                entered.TrySetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            }));
        await plane.WaitForAsync(one => one.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
        using var client = host.CallerFrom("web");
        var forever = client.GetAsync("/forever", TestContext.Current.CancellationToken);
        await entered.Task.Bounded();

        await host.StopAsync().Bounded();

        Assert.Single(plane.Deregistrations);
        Assert.Single(host.Logs.Of(152));
        await Assert.ThrowsAnyAsync<Exception>(() => forever.Bounded());
    }

    [Fact]
    public async Task Stop_WithRegistryStalled_IsBoundedByTheHostsShutdownTimeout()
    {
        var plane = new InMemoryControlPlane();
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane,
            build: builder => builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(500)));
        await plane.WaitForAsync(one => one.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
        plane.Stall();

        await host.StopAsync().Bounded();

        Assert.Single(host.Logs.Of(151));
        Assert.Contains(host.Registration.InstanceId!.Value.Value, Assert.Single(host.Logs.Of(153)).Text, StringComparison.Ordinal);
        Assert.Equal(RegistrationState.Ended, host.Registration.State);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60_000)]
    public async Task Stop_WithDrainLongerThanTheHostsShutdownTimeout_LeavesTheRegistryAnyway(int drainDelay)
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane,
            registration: options => (options.DrainDelay, options.DrainTimeout) = (TimeSpan.FromMilliseconds(drainDelay), TimeSpan.FromMinutes(1)),
            build: builder => builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(500)),
            map: app => app.MapGet("/forever", async (Microsoft.AspNetCore.Http.HttpContext context) =>
            {
                entered.TrySetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            }));
        await plane.WaitForAsync(one => one.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
        using var client = host.CallerFrom("web");
        var forever = client.GetAsync("/forever", TestContext.Current.CancellationToken);
        await entered.Task.Bounded();

        await host.StopAsync().Bounded();

        Assert.Single(host.Logs.Of(151));
        Assert.Equal(host.Registration.InstanceId, Assert.Single(plane.Deregistrations));
        Assert.Empty(host.Logs.Of(153));
        await Assert.ThrowsAnyAsync<Exception>(() => forever.Bounded());
    }

    private sealed class FailingRegistrar(IServiceRegistrar inner) : IServiceRegistrar
    {
        private volatile bool _mended;

        public void Mend() => _mended = true;

        public Task RegisterAsync(MeshClient.Core.Registration.InstanceRegistration registration, CancellationToken cancellationToken) =>
            _mended ? inner.RegisterAsync(registration, cancellationToken) : throw new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone");

        public Task<MeshClient.Core.Registration.HeartbeatResult> BeatAsync(
            MeshClient.Core.Naming.InstanceId instance, string note, CancellationToken cancellationToken) => inner.BeatAsync(instance, note, cancellationToken);

        public Task SetMaintenanceAsync(MeshClient.Core.Naming.InstanceId instance, bool enabled, string reason, CancellationToken cancellationToken) =>
            inner.SetMaintenanceAsync(instance, enabled, reason, cancellationToken);

        public Task DeregisterAsync(MeshClient.Core.Naming.InstanceId instance, CancellationToken cancellationToken) =>
            inner.DeregisterAsync(instance, cancellationToken);
    }
}
