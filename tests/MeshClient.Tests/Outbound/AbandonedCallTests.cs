using System.Diagnostics.Metrics;
using System.Net;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Calls whose maker goes away at an awkward moment leave nothing behind.</summary>
public sealed class AbandonedCallTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RequestDisposedInFlight_LeavesNothingBehind()
    {
        await using var env = new MeshTestEnvironment();
        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        var peer = await env.StartAsync("orders", async context =>
        {
            if (context.Request.Path == "/held")
            {
                arrived.SetResult();
                await release.Task;
            }

            await context.Response.WriteAsync("x");
        });
        await env.Client().GetStringAsync("http://orders/", Token);
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/held");
        var call = invoker.SendAsync(request, Token);
        await arrived.Task.WaitAsync(Token);

        request.Dispose();
        release.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => call);

        var instance = env.Instance("orders", peer.Port);
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0 && instance.Load.InFlight == 0);
        var pool = instance.Transport.Acquire();
        Assert.Equal(2, pool.Users);
        pool.Release();
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_CancelledWhenItsHedgeIsDue_LeavesNothingBehind()
    {
        var time = new FakeTimeProvider();
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options => (options.Defaults.Hedging.Enabled, options.Defaults.Hedging.Delay, options.Defaults.Hedging.BudgetRatio) = (true, TimeSpan.FromSeconds(1), 1),
            services: services =>
            {
                services.AddSingleton<TimeProvider>(time);
                meters.Attach(services);
            });
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 2; i++)
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                if (context.Request.Path == "/held")
                {
                    arrived.SetResult();
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                }
            }));
        }

        await env.Client().GetStringAsync("http://orders/", Token);
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/held");
        using var caller = new CancellationTokenSource();
        var call = invoker.SendAsync(request, caller.Token);
        await arrived.Task.WaitAsync(Token);

        // Who is registered last hears of it first: the hedge is due before the attempt knows that it is given up.
        using var due = caller.Token.Register(() => time.Advance(TimeSpan.FromSeconds(1)));
        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.BoundedAsync());
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0 && peers.All(peer => env.Instance("orders", peer.Port).Load.InFlight == 0));
        Assert.Equal(0, meters.Of("meshclient.hedges").Sum(one => one.Value));
        Assert.Equal("cancelled", meters.Of("meshclient.attempt.duration")[^1].Tag("meshclient.outcome"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_CancelledBetweenABadAnswerAndItsRetry_LeavesNothingBehind()
    {
        using var cancel = new CancellationTokenSource();
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", async context =>
        {
            context.Response.StatusCode = context.Request.Path == "/bad" ? (int)HttpStatusCode.ServiceUnavailable : (int)HttpStatusCode.OK;
            await context.Response.WriteAsync("x");
        });
        await env.Client().GetStringAsync("http://orders/", Token);
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        // The figure of the attempt is written between its answer and the decision to try again.
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "meshclient.attempt.duration" && ReferenceEquals(instrument, env.Services.GetRequiredService<MeshClient.Telemetry.MeshTelemetry>().AttemptDuration))
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => cancel.Cancel());
        listener.Start();
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/bad");

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => invoker.SendAsync(request, cancel.Token));

        var instance = env.Instance("orders", peer.Port);
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0 && instance.Load.InFlight == 0);
        var pool = instance.Transport.Acquire();
        Assert.Equal(2, pool.Users);
        pool.Release();
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RegistryStallsAndTheDeadlineIsNear_FailsByTheDeadlineAndIsMeasured()
    {
        using var metrics = new MetricRecorder();
        await using var env = new MeshTestEnvironment(options => options.DiscoveryTimeout = TimeSpan.FromMinutes(5), services: metrics.Attach);
        env.ControlPlane.Stall();
        using var deadline = MeshDeadline.Begin(TimeSpan.FromMilliseconds(100));

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));

        Assert.Equal(MeshFailureReason.DeadlineExceeded, failure.Reason);
        Assert.Equal("DeadlineExceeded", Assert.Single(metrics.Of("meshclient.call.duration")).Tag("error.type"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_StreamDisposedUnderARead_DoesNotBlameTheInstance()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        using var request = new HttpRequestMessage();
        var attempt = new OutboundAttempt(
            new OutboundCall(request, env.State("orders").GetDestination(new MeshClient.Discovery.DestinationName(env.State("orders").Service, null, MeshClient.Discovery.SchemePreference.Http)), 1, rejection: null, Token), 1);
        using var inner = new StreamContent(new TornStream());
        using var content = new TrackedContent(inner, env.Services.GetRequiredService<OutboundPipeline>(), attempt);
        var stream = await content.ReadAsStreamAsync(Token);
        var pending = stream.ReadAsync(new byte[1], Token);

        await stream.DisposeAsync();
        await Assert.ThrowsAsync<IOException>(async () => await pending);

        Assert.True(attempt.HasEnded);
        Assert.Null(attempt.BodyFailure);
    }

    /// <summary>A connection that fails its pending read at the moment it is closed.</summary>
    private sealed class TornStream : Stream
    {
        private readonly TaskCompletionSource<int> _read = new();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(_read.Task);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            _read.TrySetException(new IOException("closed"));
            base.Dispose(disposing);
        }
    }
}
