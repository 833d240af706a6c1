using System.Diagnostics;
using MeshClient.Outbound;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Telemetry;

public sealed class SpansTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Spans_RetriedCall_OneParentWithAChildPerAttemptAndTheServersAreUnderThem()
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
        Assert.Equal(3, spans.Spans.Count);
        var (call, first, second) = (spans.Spans[0], spans.Spans[1], spans.Spans[2]);
        Assert.Equal((spans.Root.SpanId, ActivityKind.Client, "GET"), (call.ParentSpanId, call.Kind, call.DisplayName));
        Assert.Equal((call.SpanId, call.SpanId), (first.ParentSpanId, second.ParentSpanId));
        Assert.Equal(("orders", "GET", 200, 1), (call.GetTagItem("meshclient.service"), call.GetTagItem("http.request.method"),
            call.GetTagItem("http.response.status_code"), call.GetTagItem("http.request.resend_count")));
        Assert.Equal(ActivityStatusCode.Unset, call.Status);
        Assert.Equal((503, "503", 0, ActivityStatusCode.Error), (first.GetTagItem("http.response.status_code"), first.GetTagItem("error.type"),
            first.GetTagItem("http.request.resend_count"), first.Status));
        Assert.Equal((200, 1), (second.GetTagItem("http.response.status_code"), second.GetTagItem("http.request.resend_count")));
        Assert.NotEqual(first.GetTagItem("meshclient.instance"), second.GetTagItem("meshclient.instance"));
        Assert.Equal("127.0.0.1", second.GetTagItem("server.address"));
        Assert.IsType<int>(second.GetTagItem("server.port"));
        Assert.All(parents, parent => Assert.StartsWith($"00-{spans.Root.TraceId}-", parent, StringComparison.Ordinal));
        Assert.Equal(2, parents.Distinct().Count());
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
        Assert.Equal(2, spans.Spans.Count);
        Assert.All(spans.Spans, span => Assert.Equal(("ConnectFailed", ActivityStatusCode.Error), (span.GetTagItem("error.type"), span.Status)));
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
