using System.Net;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Consul.Tests.Wire;

/// <summary>What becomes of answers that no good registry gives.</summary>
public sealed class BadRegistryTests
{
    private const string Secret = "8c4d2a1e-secret-token";
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private static readonly string OneInstance = HealthJson.List(HealthJson.Native("orders", "orders-1"));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(401, "ACL support disabled", ControlPlaneFailure.Forbidden)]
    [InlineData(403, "Permission denied", ControlPlaneFailure.Forbidden)]
    [InlineData(400, "Invalid index", ControlPlaneFailure.Rejected)]
    [InlineData(404, "", ControlPlaneFailure.Rejected)]
    [InlineData(405, "method GET not allowed", ControlPlaneFailure.Rejected)]
    [InlineData(301, "", ControlPlaneFailure.Rejected)]
    [InlineData(413, "too large", ControlPlaneFailure.Rejected)]
    [InlineData(500, "No path to datacenter", ControlPlaneFailure.Rejected)]
    [InlineData(500, "rpc error making call: No path to datacenter", ControlPlaneFailure.Rejected)]
    [InlineData(500, "Failed to create boolean expression evaluator: x", ControlPlaneFailure.Rejected)]
    [InlineData(500, "No cluster leader", ControlPlaneFailure.Unavailable)]
    [InlineData(500, "rpc error making call: EOF", ControlPlaneFailure.Unavailable)]
    [InlineData(500, "something nobody has seen", ControlPlaneFailure.Unavailable)]
    [InlineData(429, "Rate limit reached, try again later", ControlPlaneFailure.Unavailable)]
    [InlineData(502, "<html>bad gateway</html>", ControlPlaneFailure.Unavailable)]
    [InlineData(503, "", ControlPlaneFailure.Unavailable)]
    [InlineData(504, "", ControlPlaneFailure.Unavailable)]
    public async Task Read_Refused_IsClassifiedByStatusAndText(int status, string text, ControlPlaneFailure expected)
    {
        await using var registry = await FakeRegistry.StartAsync(text, index: 1, status);
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(expected, e.Failure);
        Assert.Contains("GET /v1/health/service/orders", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{status}", e.Message, StringComparison.Ordinal);
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("Sat, 01 Jan 2000 00:00:00 GMT", 0)]
    [InlineData("soon", null)]
    public async Task Read_RefusedWithRetryAfter_TellsIt(string header, int? seconds)
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            context.Response.Headers.RetryAfter = header;
            return FakeRegistry.AnswerAsync(context, "slow down", status: 429);
        });
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadTrustBundleAsync(0, Cancellation));

        Assert.Equal(seconds is null ? null : TimeSpan.FromSeconds(seconds.Value), e.RetryAfter);
    }

    [Fact]
    public async Task Read_LongErrorThatEchoesTheToken_IsShortenedWithoutIt()
    {
        await using var registry = await FakeRegistry.StartAsync(context => FakeRegistry.AnswerAsync(
            context, $"refused {context.Request.Headers["X-Consul-Token"]} \r\n{new string('x', 5000)}", status: 400));
        using var plane = registry.CreatePlane(options => options.Token = Secret);

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadTrustBundleAsync(0, Cancellation));

        Assert.Equal(Secret, registry.LatestHeaders["X-Consul-Token"]);
        Assert.DoesNotContain(Secret, e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.InRange(e.Message.Length, 200, 300);
    }

    [Fact]
    public async Task Call_WithToken_CarriesItInTheHeaderOnly()
    {
        await using var registry = await FakeRegistry.StartAsync(OneInstance, index: 5);
        using var plane = registry.CreatePlane(options => options.Token = Secret);

        await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        await plane.BeatAsync(new InstanceId("x"), "n", Cancellation);

        Assert.Equal(Secret, registry.LatestHeaders["X-Consul-Token"]);
        Assert.All(registry.Calls, call => Assert.DoesNotContain(Secret, call, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("<!DOCTYPE html><html><body>Welcome to the hotel's network</body></html>")]
    [InlineData("")]
    [InlineData("[{\"Node\":{")]
    [InlineData("[] []")]
    [InlineData("\"text\"")]
    [InlineData("{\"a\":1}")]
    [InlineData("[{\"Service\":{\"Port\":\"many\"}}]")]
    [InlineData("[{\"Service\":{\"ID\":\"\\ud800\"}}]")]
    public async Task Read_AnswerIsNotTheExpectedJson_IsMalformed(string body)
    {
        await using var registry = await FakeRegistry.StartAsync(body, index: 5);
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Malformed, e.Failure);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("[null]")]
    public async Task Read_AnswerIsNothing_IsEmpty(string body)
    {
        await using var registry = await FakeRegistry.StartAsync(body, index: 5);
        using var plane = registry.CreatePlane();

        Assert.Empty((await plane.ReadInstancesAsync(Orders, 0, Cancellation)).Value.Instances);
    }

    [Fact]
    public async Task Read_BodyIsCut_IsUnreachable()
    {
        await using var registry = await FakeRegistry.StartAsync(async context =>
        {
            context.Response.ContentLength = 1000;
            await context.Response.WriteAsync(OneInstance[..20], Cancellation);
            await context.Response.Body.FlushAsync(Cancellation);
            context.Abort();
        });
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Unreachable, e.Failure);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_BodyIsHuge_IsMalformedAndNotKept(bool announced)
    {
        await using var registry = await FakeRegistry.StartAsync(async context =>
        {
            context.Response.ContentLength = announced ? 1L << 40 : null;
            var piece = new byte[1 << 20];
            piece.AsSpan().Fill((byte)' ');
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(piece, context.RequestAborted);
            }
        });
        using var plane = registry.CreatePlane(options => options.RequestTimeout = TimeSpan.FromSeconds(30));

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Malformed, e.Failure);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Read_RegistryStalls_IsUnreachableAfterTheTimeout(bool afterHeaders)
    {
        await using var registry = await FakeRegistry.StartAsync(context => StallAsync(context, afterHeaders));
        using var plane = registry.CreatePlane(options => options.RequestTimeout = TimeSpan.FromMilliseconds(300));

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Unreachable, e.Failure);
        Assert.Contains("0.3 s", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watch_RegistryStalls_IsUnreachableSomeTimeAfterTheWait()
    {
        await using var registry = await FakeRegistry.StartAsync(context => StallAsync(context, afterHeaders: false));
        using var plane = registry.CreatePlane(options => options.Wait = TimeSpan.FromSeconds(1));
        var begin = TimeProvider.System.GetTimestamp();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(
            () => plane.ReadTrustBundleAsync(new WatchMark(5, 1).ToOpaque(), Cancellation));

        Assert.Equal(ControlPlaneFailure.Unreachable, e.Failure);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(12));
    }

    [Fact]
    public async Task Read_NobodyListens_IsUnreachable()
    {
        var address = new Uri($"http://127.0.0.1:{FreePorts.Find(1)[0]}");
        using var plane = new ConsulControlPlane(new ConsulOptions { Address = address }, TimeProvider.System);

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Unreachable, e.Failure);
        Assert.Contains(address.Authority, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_ConnectionIsReset_IsUnreachableUntilThereIsRoom()
    {
        await using var registry = await FakeRegistry.StartAsync(OneInstance, index: 5);
        registry.ConnectionLimit = 0;
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, 0, Cancellation));
        registry.ConnectionLimit = 200;

        Assert.Equal(ControlPlaneFailure.Unreachable, e.Failure);
        Assert.Single((await plane.ReadInstancesAsync(Orders, 0, Cancellation)).Value.Instances);
    }

    [Fact]
    public async Task Read_CallerGivesUp_IsCancelledAndNotAFailure()
    {
        await using var registry = await FakeRegistry.StartAsync(context => StallAsync(context, afterHeaders: true));
        using var plane = registry.CreatePlane();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var reading = plane.ReadInstancesAsync(Orders, 0, stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
    }

    [Fact]
    public async Task Watch_IndexGoesBackwards_BeginsAgainWithoutIndex()
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
            FakeRegistry.AnswerAsync(context, OneInstance, FakeRegistry.IndexOf(context) is null ? 500UL : 7UL));
        using var plane = registry.CreatePlane();

        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        var second = await plane.ReadInstancesAsync(Orders, first.Index, Cancellation);
        var third = await plane.ReadInstancesAsync(Orders, second.Index, Cancellation);

        Assert.Equal(
            ["GET /v1/health/service/orders", "GET /v1/health/service/orders?index=500&wait=10000ms", "GET /v1/health/service/orders"],
            registry.Calls);
        Assert.Equal(first, third);
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData("0", 1)]
    [InlineData("-3", 1)]
    [InlineData("many", 1)]
    [InlineData("18446744073709551615", WatchMark.GreatestIndex)]
    [InlineData("18446744073709551616", 1)]
    public async Task Watch_IndexIsMissingOrNonsense_StillWatchesWithAnIndex(string? header, ulong expected)
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            if (header is not null)
            {
                context.Response.Headers["X-Consul-Index"] = header;
            }

            return FakeRegistry.AnswerAsync(context, OneInstance);
        });
        using var plane = registry.CreatePlane();

        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        await plane.ReadInstancesAsync(Orders, first.Index, Cancellation);

        Assert.NotEqual(0UL, first.Index);
        Assert.Equal($"GET /v1/health/service/orders?index={expected}&wait=10000ms", registry.Calls.Last());
    }

    [Fact]
    public async Task Watch_ErrorWithIndex_DoesNotTouchTheCallersIndex()
    {
        var failing = false;
        await using var registry = await FakeRegistry.StartAsync(context => failing
            ? FakeRegistry.AnswerAsync(context, "No cluster leader", 1, 500)
            : FakeRegistry.AnswerAsync(context, OneInstance, 90));
        using var plane = registry.CreatePlane();
        var first = await plane.ReadInstancesAsync(Orders, 0, Cancellation);
        failing = true;
        await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadInstancesAsync(Orders, first.Index, Cancellation));
        failing = false;

        Assert.Equal(first, await plane.ReadInstancesAsync(Orders, first.Index, Cancellation));
        Assert.Equal("GET /v1/health/service/orders?index=90&wait=10000ms", registry.Calls.Last());
    }

    [Fact]
    public async Task Registration_ConnectionBreaks_IsSentOnce()
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.DeregisterAsync(new InstanceId("x"), Cancellation));

        Assert.Equal(ControlPlaneFailure.Unreachable, e.Failure);
        Assert.Single(registry.Calls);
    }

    [Theory]
    [InlineData(404, "Unknown check ID \"service:x\"")]
    [InlineData(500, "CheckID \"service:x\" does not have associated TTL")]
    [InlineData(500, "Unknown check \"service:x\"")]
    public async Task Beat_RegistryHasLostTheInstance_SaysSo(int status, string text)
    {
        await using var registry = await FakeRegistry.StartAsync(text, status: status);
        using var plane = registry.CreatePlane();

        Assert.Equal(HeartbeatResult.UnknownInstance, await plane.BeatAsync(new InstanceId("x"), "", Cancellation));
    }

    [Fact]
    public async Task Beat_OtherFailure_IsThrown()
    {
        await using var registry = await FakeRegistry.StartAsync("No cluster leader", status: 500);
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.BeatAsync(new InstanceId("x"), "", Cancellation));

        Assert.Equal(ControlPlaneFailure.Unavailable, e.Failure);
    }

    [Theory]
    [InlineData(".")]
    [InlineData("..")]
    public async Task Deregister_IdThatWouldChangeThePath_IsRefused(string id)
    {
        await using var registry = await FakeRegistry.StartAsync("");
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.DeregisterAsync(new InstanceId(id), Cancellation));

        Assert.Equal(ControlPlaneFailure.Rejected, e.Failure);
        Assert.Empty(registry.Calls);
    }

    [Fact]
    public async Task Redirect_IsNotFollowed()
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            context.Response.Redirect("/v1/elsewhere");
            return Task.CompletedTask;
        });
        using var plane = registry.CreatePlane(options => options.Token = Secret);

        await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadTrustBundleAsync(0, Cancellation));

        Assert.Single(registry.Calls);
    }

    [Fact]
    public async Task Address_WithPrefix_KeepsIt()
    {
        await using var registry = await FakeRegistry.StartAsync(OneInstance, index: 5);
        using var plane = registry.CreatePlane(options => options.Address = new Uri(registry.Address, "consul/eu"));

        await plane.ReadInstancesAsync(Orders, 0, Cancellation);

        Assert.Equal(["GET /consul/eu/v1/health/service/orders"], registry.Calls);
    }

    private static async Task StallAsync(HttpContext context, bool afterHeaders)
    {
        if (afterHeaders)
        {
            await context.Response.WriteAsync("[", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }

        var forever = new TaskCompletionSource();
        using var aborted = context.RequestAborted.Register(() => forever.TrySetResult());
        await forever.Task;
    }
}
