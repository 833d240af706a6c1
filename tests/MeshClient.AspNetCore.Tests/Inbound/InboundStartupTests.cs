using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.ControlPlane;
using MeshClient.Identity;
using MeshClient.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

public sealed class InboundStartupTests
{
    [Fact]
    public async Task Start_WithoutServiceName_SaysWhatToSet()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(
            () => InboundTestHost.StartAsync(settings: new Dictionary<string, string?> { ["Mesh:Service"] = null }));

        Assert.Contains("Mesh:Service", error.Message, StringComparison.Ordinal);
        Assert.Contains("Mesh:Inbound:Enabled", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithControlPlaneAway_FailsInTimeAndSaysWhy()
    {
        using var plane = new InMemoryControlPlane();
        plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "connection refused"));

        await using var host = InboundTestHost.Create(controlPlane: plane, inbound: options => options.StartTimeout = TimeSpan.FromMilliseconds(400));
        // The time is short: the control plane has been asked, and has failed, before it begins.
        var identity = host.Services.GetRequiredService<MeshIdentity>();
        using var asking = new CancellationTokenSource();
        var asked = identity.GetAsync(asking.Token).AsTask();
        await Eventually.HoldsAsync(() => identity.LastFailure is not null);

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.App.StartAsync(TestContext.Current.CancellationToken).Bounded());
        await asking.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);

        Assert.Contains("'orders'", error.Message, StringComparison.Ordinal);
        Assert.Contains("within 00:00:00.4", error.Message, StringComparison.Ordinal);
        Assert.Contains("connection refused", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithTokenRefused_FailsAtOnce()
    {
        using var plane = new InMemoryControlPlane();
        plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Forbidden, "permission denied"));

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => InboundTestHost.StartAsync(
            controlPlane: plane, inbound: options => options.StartTimeout = TimeSpan.FromMinutes(5)));

        Assert.Contains("will not get one: permission denied", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithControlPlaneLate_WaitsForIt()
    {
        var plane = new InMemoryControlPlane();
        plane.Stall();
        var start = InboundTestHost.StartAsync(controlPlane: plane);

        await plane.WaitForParkedCallsAsync(3, cancellationToken: TestContext.Current.CancellationToken);
        Assert.False(start.IsCompleted);
        plane.Release();

        await using var host = await start.Bounded();
        Assert.True(host.MeshPort > 0);
    }
}
