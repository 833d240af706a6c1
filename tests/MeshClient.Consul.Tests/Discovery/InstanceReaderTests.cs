using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Discovery;

/// <summary>Which of Consul's two lists is watched, and that nothing is missed by that.</summary>
public sealed class InstanceReaderTests
{
    private const string ByName = "/v1/health/service/orders";
    private const string InMesh = "/v1/health/connect/orders";
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly FakeCatalog _catalog = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Read_OnlyNativeInstances_TakesOneQuery()
    {
        SetNative(8080);
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();

        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var watching = plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(ByName) == 1, "parked");
        SetNative(8081);

        Assert.Equal(8081, (await watching).Value.Instances[0].Endpoints[0].Port);
        Assert.Equal(["GET " + ByName, $"GET {ByName}?index=12&wait=10000ms"], registry.Calls);
    }

    [Fact]
    public async Task Watch_PlainInstance_ProxyAppearsLater_IsSeenAtOnce()
    {
        _catalog.Set(ByName, HealthJson.List(HealthJson.Plain("orders", "orders-1")));
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        Assert.Equal(InstanceSecurity.Plaintext, Assert.Single(first.Value.Instances).Endpoints[0].Security);
        var watching = plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(ByName) == 1 && _catalog.ParkedOn(InMesh) == 1, "both are parked");

        _catalog.Set(InMesh, HealthJson.List(HealthJson.Proxy("orders", "orders-1", "proxy-1")));

        var found = Assert.Single((await watching.WaitAsync(TimeSpan.FromSeconds(5), Cancellation)).Value.Instances);
        Assert.Equal(("proxy-1", InstanceSecurity.Mesh), (found.Id.Value, found.Endpoints[0].Security));
        await Eventually.TrueAsync(() => _catalog.ParkedOn(ByName) == 0, "the other query is given up");
    }

    [Fact]
    public async Task Watch_PlainInstance_ProxyCameBetweenTwoReads_IsSeenAtOnce()
    {
        _catalog.Set(ByName, HealthJson.List(HealthJson.Plain("orders", "orders-1")));
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);

        _catalog.Set(InMesh, HealthJson.List(HealthJson.Proxy("orders", "orders-1", "proxy-1")));

        var second = await plane.ReadInstancesAsync(Orders, first.Index, Cancellation).WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
        Assert.Equal("proxy-1", Assert.Single(second.Value.Instances).Id.Value);
    }

    [Fact]
    public async Task Watch_NobodyYet_NativeInstanceAppears_IsSeenAtOnceAndThenWatchedWithOneQuery()
    {
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        Assert.Empty(first.Value.Instances);
        var watching = plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(ByName) == 1 && _catalog.ParkedOn(InMesh) == 1, "both are parked");

        SetNative(8080);
        var second = await watching.WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
        Assert.Single(second.Value.Instances);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var next = plane.ReadInstancesAsync(Orders, second.Index, stop.Token);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(ByName) == 1 && _catalog.ParkedOn(InMesh) == 0, "one is parked");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
    }

    [Fact]
    public async Task Watch_Proxies_TheirChangeIsSeenAtOnceAndTheWaitIsShort()
    {
        _catalog.Set(ByName, HealthJson.List(HealthJson.Plain("orders", "orders-1")));
        _catalog.Set(InMesh, HealthJson.List(HealthJson.Proxy("orders", "orders-1", "proxy-1")));
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane(options => options.Wait = TimeSpan.FromMinutes(5));
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var watching = plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(InMesh) == 1, "parked");
        Assert.Equal(0, _catalog.ParkedOn(ByName));
        Assert.Contains(registry.Calls, call => call.EndsWith("wait=30000ms", StringComparison.Ordinal));

        _catalog.Set(InMesh, HealthJson.List(HealthJson.Proxy("orders", "orders-1", "proxy-1", port: 21001)));

        Assert.Equal(21001, Assert.Single((await watching).Value.Instances).Endpoints[0].Port);
    }

    [Fact]
    public async Task Watch_ProxyVanishes_ThePlainInstanceShowsAsPlaintext()
    {
        _catalog.Set(ByName, HealthJson.List(HealthJson.Plain("orders", "orders-1")));
        _catalog.Set(InMesh, HealthJson.List(HealthJson.Proxy("orders", "orders-1", "proxy-1")));
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var watching = plane.ReadInstancesAsync(Orders, first.Index, Cancellation);

        _catalog.Set(InMesh, "[]");

        Assert.Equal(InstanceSecurity.Plaintext, Assert.Single((await watching).Value.Instances).Endpoints[0].Security);
    }

    [Fact]
    public async Task Watch_OneListFails_TheReadFailsAndTheOtherQueryEnds()
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
            context.Request.Path == InMesh && FakeRegistry.IndexOf(context) is not null
                ? FakeRegistry.AnswerAsync(context, "Permission denied", status: 403)
                : _catalog.HandleAsync(context));
        using var plane = registry.CreatePlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, first.Index, Cancellation));

        Assert.Equal(ControlPlaneFailure.Forbidden, e.Failure);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(ByName) == 0, "the other query is given up");
    }

    [Fact]
    public async Task Read_NothingIsLeftByTheRightsOfTheToken_IsForbiddenAndNotEmpty()
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            context.Response.Headers["X-Consul-Results-Filtered-By-ACLs"] = "true";
            return _catalog.HandleAsync(context);
        });
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Forbidden, e.Failure);
    }

    [Fact]
    public async Task Read_SomethingIsLeftByTheRightsOfTheToken_IsTaken()
    {
        SetNative(8080);
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            context.Response.Headers["X-Consul-Results-Filtered-By-ACLs"] = "true";
            return _catalog.HandleAsync(context);
        });
        using var plane = registry.CreatePlane();

        Assert.Single((await plane.ReadInstancesAsync(Orders, 0, Cancellation)).Value.Instances);
    }

    [Fact]
    public async Task Read_Datacenter_IsAskedForInBothLists()
    {
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane(options => options.Datacenter = "dc2");

        await plane.ReadInstancesAsync(Orders, 0, Cancellation);

        Assert.Equal([$"GET {ByName}?dc=dc2", $"GET {InMesh}?dc=dc2"], registry.Calls);
    }

    [Fact]
    public async Task Read_UnusableInstance_IsLeftOutAndReportedOncePerChange()
    {
        var logger = new RecordingLogger();
        _catalog.Set(ByName, HealthJson.List(
            HealthJson.Native("orders", "good"), HealthJson.Native("orders", "no-port", port: 0),
            HealthJson.Native("orders", "great-port", port: 70000), HealthJson.Native("payments", "stray")));
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane(logger: logger);

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("good", Assert.Single((await plane.ReadInstancesAsync(Orders, 0, Cancellation)).Value.Instances).Id.Value);
        }

        var entry = Assert.Single(logger.Entries);
        Assert.Equal(2000, entry.Id.Id);
        Assert.Contains("no-port", entry.Text, StringComparison.Ordinal);
        Assert.Contains("great-port", entry.Text, StringComparison.Ordinal);
        Assert.Contains("stray", entry.Text, StringComparison.Ordinal);
    }

    private void SetNative(int port)
    {
        _catalog.Set(InMesh, HealthJson.List(HealthJson.Native("orders", "orders-1", port)));
        _catalog.Set(ByName, HealthJson.List(HealthJson.Native("orders", "orders-1", port)));
    }
}
