using System.Diagnostics;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Telemetry;

public sealed class SpansTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Spans_OneAttempt_IsOneSpanAndTheServersIsUnderIt()
    {
        using var spans = new SpanRecorder();
        await using var env = new MeshTestEnvironment();
        string? parent = null;
        await env.StartAsync("orders", context =>
        {
            parent = context.Request.Headers.TraceParent;
            return Task.CompletedTask;
        });

        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using var response = await env.Client().SendAsync(request, Token);

        Assert.Same(spans.Root, Activity.Current);
        var call = Assert.Single(spans.Spans);
        Assert.Equal((spans.Root.SpanId, ActivityKind.Client, "GET"), (call.ParentSpanId, call.Kind, call.DisplayName));
        Assert.Equal(call.Id, parent);
        Assert.False(request.Headers.Contains("traceparent"));
        Assert.Equal(
            ["http.request.method", "http.response.status_code", "meshclient.instance", "meshclient.service", "network.protocol.version", "server.address", "server.port"],
            call.TagObjects.Select(tag => tag.Key).Order(StringComparer.Ordinal));
        Assert.Equal(("orders", "GET", 200, "127.0.0.1"), (call.GetTagItem("meshclient.service"), call.GetTagItem("http.request.method"),
            call.GetTagItem("http.response.status_code"), call.GetTagItem("server.address")));
        Assert.Equal(response.Version.Major == 2 ? "2" : "1.1", call.GetTagItem("network.protocol.version"));
        Assert.IsType<int>(call.GetTagItem("server.port"));
        Assert.Empty(call.Events);
        Assert.True(call.Duration > TimeSpan.Zero);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Spans_RetriedCall_SecondAttemptIsAChildAndTheFirstAnEvent()
    {
        using var spans = new SpanRecorder();
        await using var env = new MeshTestEnvironment();
        var parents = new List<string?>();
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", context =>
            {
                parents.Add(context.Request.Headers.TraceParent);
                context.Response.StatusCode = parents.Count == 1 ? 503 : 200;
                return Task.CompletedTask;
            });
        }

        using var response = await env.Client().GetAsync("http://orders/", Token);

        Assert.Same(spans.Root, Activity.Current);
        Assert.Equal(2, spans.Spans.Count);
        var (call, second) = (spans.Spans[0], spans.Spans[1]);
        Assert.Equal((spans.Root.SpanId, ActivityKind.Client, "GET"), (call.ParentSpanId, call.Kind, call.DisplayName));
        Assert.Equal((call.SpanId, ActivityKind.Client, "GET"), (second.ParentSpanId, second.Kind, second.DisplayName));
        Assert.Equal(("orders", 200, 1, ActivityStatusCode.Unset), (call.GetTagItem("meshclient.service"), call.GetTagItem("http.response.status_code"),
            call.GetTagItem("http.request.resend_count"), call.Status));
        Assert.Equal(("orders", 200, 1), (second.GetTagItem("meshclient.service"), second.GetTagItem("http.response.status_code"),
            second.GetTagItem("http.request.resend_count")));
        Assert.Equal(second.GetTagItem("meshclient.instance"), call.GetTagItem("meshclient.instance"));
        var first = Assert.Single(call.Events);
        var told = first.Tags.ToDictionary();
        Assert.Equal("attempt", first.Name);
        Assert.Equal(("orders", "failure", 503, "503"), (told["meshclient.service"], told["meshclient.outcome"], told["http.response.status_code"], told["error.type"]));
        Assert.NotEqual(told["meshclient.instance"], second.GetTagItem("meshclient.instance"));
        Assert.InRange(Assert.IsType<double>(told["meshclient.duration"]), 1e-9, call.Duration.TotalSeconds);
        Assert.InRange(first.Timestamp.UtcDateTime, call.StartTimeUtc, call.StartTimeUtc + call.Duration);
        Assert.Equal([call.Id, second.Id], parents);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Spans_HedgedCall_TheSlowFirstIsAnEventThoughItNeverEnded()
    {
        using var spans = new SpanRecorder();
        var delay = TimeSpan.FromMilliseconds(5);
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.Hedging = new() { Enabled = true, Delay = delay, BudgetRatio = 1 },
            services: services => services.AddSingleton<TimeProvider>(time));
        var parents = new List<string?>();
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                bool isFirst;
                lock (parents)
                {
                    parents.Add(context.Request.Headers.TraceParent);
                    isFirst = parents.Count == 1;
                }

                if (isFirst)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            });
        }

        var calling = env.Client().GetAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() =>
        {
            lock (parents)
            {
                return parents.Count == 1;
            }
        });
        await time.WaitForTimerAsync(delay, cancellationToken: Token);
        time.Advance(delay);
        using var response = await calling.BoundedAsync();

        await Eventually.HoldsAsync(() => spans.Spans.Count == 2);
        var (call, hedge) = (spans.Spans[0], spans.Spans[1]);
        Assert.Equal((call.SpanId, 1), (hedge.ParentSpanId, hedge.GetTagItem("http.request.resend_count")));
        var first = Assert.Single(call.Events).Tags.ToDictionary();
        Assert.Equal("cancelled", first["meshclient.outcome"]);
        Assert.NotEqual(first["meshclient.instance"], hedge.GetTagItem("meshclient.instance"));
        Assert.Equal([call.Id, hedge.Id], parents);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Spans_CallsByABareInvoker_AreNotUnderOneAnother()
    {
        using var spans = new SpanRecorder();
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", _ => Task.CompletedTask);
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        for (var i = 0; i < 3; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
            var sending = invoker.SendAsync(request, Token);
            Assert.Same(spans.Root, Activity.Current);
            (await sending).Dispose();
            Assert.Same(spans.Root, Activity.Current);
        }

        Assert.Equal(3, spans.Spans.Count);
        Assert.All(spans.Spans, span => Assert.Equal(spans.Root.SpanId, span.ParentSpanId));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task TraceParent_RuntimesOwnSpanIsRecorded_IsThatOne()
    {
        using var spans = new SpanRecorder();
        var runtimes = new List<string?>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "System.Net.Http",
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceId == spans.Root.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStarted = span => runtimes.Add(span.Id),
        };
        ActivitySource.AddActivityListener(listener);
        await using var env = new MeshTestEnvironment();
        string? parent = null;
        await env.StartAsync("orders", context =>
        {
            parent = context.Request.Headers.TraceParent;
            return Task.CompletedTask;
        });
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(parent, Assert.Single(runtimes));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task TraceParent_SetByTheApp_IsKept()
    {
        using var spans = new SpanRecorder();
        await using var env = new MeshTestEnvironment();
        string? seen = null;
        await env.StartAsync("orders", context =>
        {
            seen = context.Request.Headers.TraceParent;
            return Task.CompletedTask;
        });
        const string Own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/") { Headers = { { "traceparent", Own } } };
        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal(Own, seen);
        Assert.Equal(Own, Assert.Single(request.Headers.GetValues("traceparent")));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Spans_FailedCall_SayWhy()
    {
        using var spans = new SpanRecorder();
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxRetries = 0);
        env.List("orders", RawPeer.ClosedPort());
        await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        var call = Assert.Single(spans.Spans);
        Assert.Equal(("ConnectFailed", ActivityStatusCode.Error), (call.GetTagItem("error.type"), call.Status));
        Assert.NotNull(call.GetTagItem("meshclient.instance"));
        Assert.Same(spans.Root, Activity.Current);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task TraceParent_NoListener_IsTheCallersOwn()
    {
        await using var env = new MeshTestEnvironment();
        string? parent = null;
        await env.StartAsync("orders", context =>
        {
            parent = context.Request.Headers.TraceParent;
            return Task.CompletedTask;
        });
        using var own = new Activity("own").SetIdFormat(ActivityIdFormat.W3C).Start();
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.StartsWith($"00-{own.TraceId}-", parent, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Nothing_WithoutListeners_IsRecorded()
    {
        await using var env = new MeshTestEnvironment();
        Activity? seen = null;
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        using var client = new HttpClient(env.Handlers.Create());
        Assert.Null(Activity.Current);
        await client.GetStringAsync("http://orders/", Token);
        seen = Activity.Current;
        Assert.Null(seen);
        var telemetry = (MeshClient.Telemetry.MeshTelemetry)env.Services.GetService(typeof(MeshClient.Telemetry.MeshTelemetry))!;
        Assert.False(telemetry.CallDuration.Enabled || telemetry.AttemptDuration.Enabled || telemetry.Retries.Enabled || telemetry.BudgetExhausted.Enabled);
    }
}
