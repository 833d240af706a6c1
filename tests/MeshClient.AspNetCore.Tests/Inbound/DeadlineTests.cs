using System.Net;
using System.Net.Http.Headers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Resilience;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>The deadline of a caller holds here, and for what is called for it.</summary>
public sealed class DeadlineTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("mesh-timeout-ms", "50000", 50_000)]
    [InlineData("x-envoy-expected-rq-timeout-ms", "40000", 40_000)]
    [InlineData("grpc-timeout", "3S", null)]
    [InlineData("mesh-timeout-ms", "soon", null)]
    public async Task Request_WithDeadline_IsAmbientInTheApp(string header, string value, int? milliseconds)
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/left");
        request.Headers.TryAddWithoutValidation(header, value);

        using var response = await client.SendAsync(request, Token);

        AssertLeft(milliseconds, await response.Content.ReadAsStringAsync(Token));
    }

    [Theory]
    [InlineData("mesh-timeout-ms", "9223372036854775807")]
    [InlineData("grpc-timeout", "99999999H")]
    public async Task Request_DeadlineBeyondAllTimers_IsServed(string header, string value)
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/left") { Content = new ByteArrayContent([]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TryAddWithoutValidation(header, value);

        using var response = await client.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.NotEqual("none", await response.Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task Request_SeveralDeadlines_TheShortestHolds()
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/left") { Content = new ByteArrayContent([]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TryAddWithoutValidation("mesh-timeout-ms", "90000");
        request.Headers.TryAddWithoutValidation("x-envoy-expected-rq-timeout-ms", "80000");
        request.Headers.TryAddWithoutValidation("grpc-timeout", "70S");

        using var response = await client.SendAsync(request, Token);

        AssertLeft(70_000, await response.Content.ReadAsStringAsync(Token));
    }

    [Theory]
    [InlineData("0", false)]
    [InlineData("-20", false)]
    [InlineData("0m", true)]
    public async Task Request_LateAlready_IsRefusedBeforeTheApp(string value, bool isGrpc)
    {
        var reached = 0;
        await using var host = await StartAsync(onRequest: () => reached++);
        _ = host.Metrics;
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/left") { Content = new ByteArrayContent([]) };
        if (isGrpc)
        {
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        }

        request.Headers.TryAddWithoutValidation(isGrpc ? "grpc-timeout" : "mesh-timeout-ms", value);

        using var response = await client.SendAsync(request, Token);

        Assert.Equal(0, reached);
        if (isGrpc)
        {
            Assert.Equal((HttpStatusCode.OK, "4"), (response.StatusCode, response.Headers.GetValues("grpc-status").Single()));
        }
        else
        {
            Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            Assert.Contains("deadline that web set", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        await Eventually.HoldsAsync(() => host.Metrics.Of("meshclient.inbound.requests").Count == 1);
        var counted = Assert.Single(host.Metrics.Of("meshclient.inbound.requests"));
        Assert.Equal(("denied", "deadline-passed"), (counted.Tags["meshclient.outcome"], counted.Tags["meshclient.rule"]));
        var deadline = Assert.Single(host.Metrics.Of("meshclient.inbound.deadlines"));
        Assert.Equal(("web", "refused"), (deadline.Tags["meshclient.source"], deadline.Tags["meshclient.outcome"]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_DeadlinePassesInTheApp_RequestAbortedEndsItAndTheCallerIsTold(bool isGrpc)
    {
        await using var host = await StartAsync();
        _ = host.Metrics;
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/hang") { Content = new ByteArrayContent([]) };
        if (isGrpc)
        {
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        }

        request.Headers.TryAddWithoutValidation(isGrpc ? "grpc-timeout" : "mesh-timeout-ms", isGrpc ? "150m" : "150");

        using var response = await client.SendAsync(request, Token);

        Assert.Equal(isGrpc ? HttpStatusCode.OK : HttpStatusCode.GatewayTimeout, response.StatusCode);
        Assert.True(!isGrpc || response.Headers.GetValues("grpc-status").Single() == "4");
        await Eventually.HoldsAsync(() => host.Metrics.Of("meshclient.inbound.deadlines").Count == 1);
        Assert.Equal("cancelled", host.Metrics.Of("meshclient.inbound.deadlines")[0].Tags["meshclient.outcome"]);
    }

    [Fact]
    public async Task Request_CallMadeForItIsFirstToNoticeTheDeadline_TheCallerIsToldOfTheDeadline()
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");
        for (var i = 0; i < 10; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/calls");
            request.Headers.TryAddWithoutValidation("mesh-timeout-ms", "30");

            using var response = await client.SendAsync(request, Token);

            Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        }
    }

    [Theory]
    [InlineData("mesh-timeout-ms", "5000", "4600")]
    [InlineData("x-envoy-expected-rq-timeout-ms", "5000", "4600")]
    [InlineData("grpc-timeout", "5S", "4600")]
    [InlineData("mesh-timeout-ms", "soon", "")]
    public async Task Request_CallMadeForIt_TellsTheNextServiceWhatIsLeftByThen(string header, string value, string told)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        using var controlPlane = new InMemoryControlPlane();
        controlPlane.Allow("web", "orders");
        controlPlane.Allow("orders", "stock");
        await using var stock = await InboundTestHost.StartAsync(
            app => app.MapGet("/told", (HttpContext context) => context.Request.Headers["mesh-timeout-ms"].ToString()),
            controlPlane: controlPlane,
            settings: new() { ["Mesh:Service"] = "stock" });
        await controlPlane.WaitForAsync(
            plane => plane.Instances(ServiceName.Parse("stock")).Instances is [{ Health: InstanceHealth.Passing }], cancellationToken: Token);
        await using var orders = await InboundTestHost.StartAsync(
            app => app.MapPost("/order", async (IHttpClientFactory clients) =>
            {
                time.Advance(TimeSpan.FromMilliseconds(400));
                // Wherever the request's work goes on.
                return await Task.Run(() => clients.CreateClient().GetStringAsync("http://stock/told", Token), Token);
            }),
            build: builder => builder.Services.AddSingleton<TimeProvider>(time),
            controlPlane: controlPlane);
        using var client = orders.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/order") { Content = new ByteArrayContent([]) };
        if (header == "grpc-timeout")
        {
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        }

        request.Headers.TryAddWithoutValidation(header, value);

        using var response = await client.SendAsync(request, Token);

        Assert.Equal((HttpStatusCode.OK, told), (response.StatusCode, await response.Content.ReadAsStringAsync(Token)));
    }

    [Fact]
    public async Task Request_CallMadeForItRunsOutOfItsOwnTime_IsTheAppsFailure()
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/fails");
        request.Headers.TryAddWithoutValidation("mesh-timeout-ms", "60000");

        using var response = await client.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
    }

    [Fact]
    public async Task Request_CallerGivesUpBeforeItsDeadline_IsNoDeadlineThatPassed()
    {
        var aborted = new TaskCompletionSource();
        await using var host = await StartAsync(aborted: aborted);
        _ = host.Metrics;
        using var client = host.CallerFrom("web");
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/hang");
        request.Headers.TryAddWithoutValidation("mesh-timeout-ms", "60000");
        var call = client.SendAsync(request, caller.Token);
        await host.Hanging.Bounded();

        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await aborted.Task.Bounded();
        await Eventually.HoldsAsync(() => host.Metrics.Of("meshclient.inbound.requests").Count == 1);
        Assert.Empty(host.Metrics.Of("meshclient.inbound.deadlines"));
    }

    [Fact]
    public async Task Request_FromOutsideTheMesh_IsNotBelievedAndGetsTheDefault()
    {
        await using var host = await StartAsync(withDefault: true);
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(host.Value.PlainAddresses[0], "/left"));
        request.Headers.TryAddWithoutValidation("mesh-timeout-ms", "0");

        using var outside = await client.SendAsync(request, Token);
        using var mesh = host.CallerFrom("web");
        var inside = await mesh.GetStringAsync("/left", Token);

        AssertLeft(20_000, await outside.Content.ReadAsStringAsync(Token));
        AssertLeft(20_000, inside);
    }

    [Fact]
    public async Task Request_DeadlinesTurnedOff_AreIgnored()
    {
        await using var host = await StartAsync(isEnabled: false);
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/left");
        request.Headers.TryAddWithoutValidation("mesh-timeout-ms", "0");

        using var response = await client.SendAsync(request, Token);

        AssertLeft(null, await response.Content.ReadAsStringAsync(Token));
    }

    private static void AssertLeft(int? expected, string told)
    {
        if (expected is null)
        {
            Assert.Equal("none", told);
            return;
        }

        Assert.InRange(double.Parse(told, System.Globalization.CultureInfo.InvariantCulture), expected.Value / 3.0, expected.Value);
    }

    private static async Task<Host> StartAsync(
        Action? onRequest = null, TaskCompletionSource? aborted = null, bool withDefault = false, bool isEnabled = true)
    {
        var hanging = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var settings = new Dictionary<string, string?> { ["Mesh:Inbound:Deadline:Enabled"] = isEnabled.ToString() };
        if (withDefault)
        {
            settings["Mesh:Inbound:Deadline:Default"] = "00:00:20";
            settings["urls"] = "http://127.0.0.1:0";
        }

        var controlPlane = new InMemoryControlPlane();
        controlPlane.Allow("web", "orders");
        var host = await InboundTestHost.StartAsync(
            map: app =>
            {
                app.Map("/left", () =>
                {
                    onRequest?.Invoke();
                    return MeshDeadline.Current is { } deadline
                        ? deadline.Remaining.TotalMilliseconds.ToString(System.Globalization.CultureInfo.InvariantCulture)
                        : "none";
                }).AllowWithoutMesh();
                app.Map("/calls", async (IHttpClientFactory clients) =>
                {
                    var deadline = MeshDeadline.Current!;
                    SpinWait.SpinUntil(() => deadline.Remaining == TimeSpan.Zero);
                    using var answer = await clients.CreateClient().GetAsync("http://orders/left", CancellationToken.None);
                });
                app.Map("/fails", async (IHttpClientFactory clients) =>
                {
                    using var own = MeshDeadline.Begin(TimeSpan.Zero);
                    using var answer = await clients.CreateClient().GetAsync("http://orders/left", CancellationToken.None);
                });
                app.Map("/hang", async (HttpContext context) =>
                {
                    hanging.TrySetResult();
                    try
                    {
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                    }
                    finally
                    {
                        aborted?.TrySetResult();
                    }
                });
            },
            controlPlane: controlPlane,
            settings: settings);
        return new Host(host, hanging.Task);
    }

    private sealed class Host(InboundTestHost host, Task hanging) : IAsyncDisposable
    {
        public InboundTestHost Value => host;

        public RecordedMetrics Metrics => host.Metrics;

        public Task Hanging => hanging;

        public HttpClient CallerFrom(string service) => host.CallerFrom(service);

        public ValueTask DisposeAsync() => host.DisposeAsync();
    }
}
