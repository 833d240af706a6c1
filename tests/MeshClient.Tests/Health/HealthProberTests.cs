using System.Net;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.Tests.Health;

/// <summary>Health checks over real connections, and their timing by a clock that is moved by hand.</summary>
public sealed class HealthProberTests
{
    private static readonly TimeSpan OneTick = TimeSpan.FromTicks(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(InstanceSecurity.Mesh)]
    [InlineData(InstanceSecurity.Plaintext)]
    public async Task Http_AnswerTurnsBadAndGoodAgain_InstanceGoesOutAndComesBack(InstanceSecurity security)
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(Checks(ProbeKind.Http, probe => probe.Path = "/ready?deep=1"), services: meters.Attach);
        var status = 200;
        var seen = new List<string>();
        async Task AnswerAsync(HttpContext context)
        {
            if (context.Request.Path == "/ready")
            {
                lock (seen)
                {
                    seen.Add($"{context.Request.Method} {context.Request.QueryString} {context.Request.Protocol} {context.Request.Headers.UserAgent}");
                }

                context.Response.StatusCode = Volatile.Read(ref status);
            }

            await context.Response.WriteAsync("x");
        }

        HttpPeer sick;
        if (security == InstanceSecurity.Mesh)
        {
            sick = await env.StartAsync("orders", AnswerAsync);
        }
        else
        {
            sick = env.Own(await HttpPeer.StartAsync(AnswerAsync));
            env.List("orders", sick.Port, InstanceSecurity.Plaintext);
        }

        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        var ejection = env.Instance("orders", sick.Port).Ejection;

        Volatile.Write(ref status, 503);
        await Eventually.HoldsAsync(() => ejection.Reason == EjectionReason.HealthCheck);
        Assert.False(ejection.IsIn(TimeProvider.System.GetTimestamp()));
        Assert.Contains(meters.Observe("meshclient.instances"), one => one.Value == 1 && one.Tag("meshclient.instance.state") is "unhealthy");
        Volatile.Write(ref status, 200);
        await Eventually.HoldsAsync(() => !ejection.IsOut);

        var protocol = security == InstanceSecurity.Mesh ? "HTTP/2" : "HTTP/1.1";
        lock (seen)
        {
            Assert.All(seen, one => Assert.Equal($"GET ?deep=1 {protocol} MeshClient-health-check", one));
        }

        Assert.Equal(
            ["failed", "passed"],
            meters.Of("meshclient.probes").Where(one => one.Tag("meshclient.instance") is string id && id == ejection.Name)
                .Select(one => (string)one.Tag("meshclient.probe.result")!).Distinct().Order());
        Assert.Single(env.Logs.Lines, line => line.Event.Id == 33);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Http_AnswerIsGoodAgain_InstanceStartsLikeOneThatHasJustCome()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            Checks(ProbeKind.Http)(options);
            options.Defaults.Balancing.SlowStart = TimeSpan.FromHours(1);
        });
        var status = 503;
        var sick = await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = context.Request.Path == "/healthz" ? Volatile.Read(ref status) : 200;
            return Task.CompletedTask;
        });
        await env.StartAsync("orders", _ => Task.CompletedTask);
        using (await env.Client().GetAsync("http://orders/", Token))
        {
        }

        var instance = env.Instance("orders", sick.Port);
        await Eventually.HoldsAsync(() => instance.Ejection.IsOut);
        var now = TimeProvider.System.GetTimestamp();
        instance.Load.Observe(TimeProvider.System.TimestampFrequency, now);
        Assert.True(env.State("orders").Balancer.SlowStart!.IsOver(now));
        Volatile.Write(ref status, 200);
        await Eventually.HoldsAsync(() => !instance.Ejection.IsOut && instance.WarmingSince > now);
        Assert.False(env.State("orders").Balancer.SlowStart!.IsOver(TimeProvider.System.GetTimestamp()));
        Assert.True(instance.Load.Average(TimeProvider.System.GetTimestamp()) < 0);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Tcp_PortClosed_GoesOutAndTheOtherStays()
    {
        await using var env = new MeshTestEnvironment(Checks(ProbeKind.Tcp));
        var good = await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        var port = RawPeer.ClosedPort();
        env.List("orders", port);
        await env.Client().GetStringAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => env.State("orders").Health.CountOut(reason => reason == EjectionReason.HealthCheck || reason == EjectionReason.Unreachable) == 1);
        await Eventually.HoldsAsync(() => good.Connections >= 4, "connections of checks");
        Assert.False(env.Instance("orders", good.Port).Ejection.IsOut);
        Assert.True(env.Instance("orders", port).Ejection.IsOut);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Tcp_PeerIsNotTheService_GoesOut()
    {
        await using var env = new MeshTestEnvironment(Checks(ProbeKind.Tcp));
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        var impostor = env.Own(await HttpPeer.StartAsync(
            context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, "payments"), HttpProtocols.Http1AndHttp2));
        env.List("orders", impostor.Port);
        await env.Client().GetStringAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => env.Instance("orders", impostor.Port).Ejection.IsOut);
        Assert.Equal(0, impostor.Requests);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("0", "00000000020801", true)]
    [InlineData("0", "00000000020802", false)]
    [InlineData("0", "", false)]
    [InlineData("12", "", true)]
    [InlineData("5", "", false)]
    [InlineData("14", "", false)]
    public async Task Grpc_Answer_DecidesAsTheProtocolSays(string status, string answer, bool isHealthy)
    {
        await using var env = new MeshTestEnvironment(Checks(ProbeKind.Grpc, probe => probe.GrpcService = "orders"));
        var asked = 0;
        var peer = await env.StartAsync("orders", async context =>
        {
            if (context.Request.Path != "/grpc.health.v1.Health/Check")
            {
                return;
            }

            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            if (Convert.ToHexString(body.ToArray()) == "00000000080A066F7264657273" && context.Request.Headers.TE == "trailers")
            {
                Interlocked.Increment(ref asked);
            }

            context.Response.ContentType = "application/grpc";
            if (answer.Length == 0)
            {
                context.Response.Headers["grpc-status"] = status;
                return;
            }

            await context.Response.Body.WriteAsync(Convert.FromHexString(answer));
            context.Response.AppendTrailer("grpc-status", status);
        });
        using var response = await env.Client().GetAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => Volatile.Read(ref asked) >= 4, "checks");
        Assert.Equal(!isHealthy, env.Instance("orders", peer.Port).Ejection.IsOut);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task AnyKind_NoAnswer_TimesOutAndGoesOut()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(Checks(ProbeKind.Http, probe => probe.Timeout = TimeSpan.FromSeconds(1)), services: meters.Attach);
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        var silent = await env.StartAsync("orders", context => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        using (await env.Client().GetAsync("http://orders/", Token))
        {
            await Eventually.HoldsAsync(() => env.Instance("orders", silent.Port).Ejection.IsOut);
        }

        Assert.Contains(meters.Of("meshclient.probes"), one => one.Tag("meshclient.probe.result") is "timeout");
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task UnusedService_IsNotCheckedUntilItIsCalledAgain()
    {
        await using var env = new MeshTestEnvironment(Checks(ProbeKind.Http, probe => probe.IdleTimeout = TimeSpan.FromSeconds(1)));
        var peer = await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = context.Request.Path == "/healthz" ? 500 : 200;
            return Task.CompletedTask;
        });
        await env.StartAsync("orders", _ => Task.CompletedTask);
        await CallUntilItIsOutAsync();
        await Eventually.HoldsAsync(() => !env.Instance("orders", peer.Port).Ejection.IsOut, "the verdict to be forgotten");
        var requests = peer.Requests;
        // As long as a service that is called takes to be checked four times.
        var checks = 0;
        await env.StartAsync("payments", context =>
        {
            Interlocked.Add(ref checks, context.Request.Path == "/healthz" ? 1 : 0);
            return Task.CompletedTask;
        });
        await CallUntilAsync("payments", () => Volatile.Read(ref checks) >= 4);
        Assert.Equal(requests, peer.Requests);
        await CallUntilItIsOutAsync();

        Task CallUntilItIsOutAsync() => CallUntilAsync("orders", () => env.Instance("orders", peer.Port).Ejection.IsOut);

        // However long the checks take, the service is in use all the time.
        Task CallUntilAsync(string service, Func<bool> holds) => Eventually.HoldsAsync(async () =>
        {
            using var answer = await env.Client().GetAsync($"http://{service}/", Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return holds();
        });
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task UnusedService_ForgetsWhatChecksSaidAndNothingElse()
    {
        var time = new FakeTimeProvider();
        var health = TestHealth.Make(time, options: new MeshHealthOptions { Probe = { Kind = ProbeKind.Tcp } });
        var instance = TestInstances.Make(2, time)[0];
        instance.Ejection.ConnectFailed(Admission.Ordinary, time.GetTimestamp(), isIdentityRefused: false);
        instance.Ejection.Checked(isHealthy: false, time.GetTimestamp());
        Assert.Equal(long.MaxValue, instance.Ejection.DueAt);
        var unusedSince = time.GetTimestamp();
        time.Advance(MeshDefaults.ProbeIdleTimeout * 2);
        await using var prober = new HealthProber(health, () => unusedSince, time, telemetry: null);
        prober.Update(new HashSet<InstanceState> { instance });
        await Eventually.HoldsAsync(() =>
        {
            time.Advance(MeshDefaults.ProbeInterval);
            return instance.Ejection.DueAt != long.MaxValue;
        });
        // No check has passed, so nothing says that it can be reached: that a probe has to find out.
        Assert.Equal(EjectionReason.Unreachable, instance.Ejection.Reason);
        Assert.Equal(Admission.Probe, instance.Ejection.TryEnter(time.GetTimestamp()));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    [InlineData(2, 3)]
    public async Task Update_SomeInARow_DecideAndOneFewerDoesNot(int toGoOut, int toComeBack)
    {
        await using var checks = new ChecksByHand(probe =>
        {
            probe.UnhealthyThreshold = toGoOut;
            probe.HealthyThreshold = toComeBack;
        });
        await checks.FirstAsync(HttpStatusCode.OK);
        Assert.False(checks.IsOut);

        // One that passes in between begins the row anew.
        await FailAsync(toGoOut - 1, leavesOut: false);
        await PassAsync(1, leavesOut: false);
        await FailAsync(toGoOut - 1, leavesOut: false);
        await FailAsync(1, leavesOut: true);
        Assert.Equal(EjectionReason.HealthCheck, checks.Instance.Ejection.Reason);

        await PassAsync(toComeBack - 1, leavesOut: true);
        await FailAsync(1, leavesOut: true);
        await PassAsync(toComeBack - 1, leavesOut: true);
        await PassAsync(1, leavesOut: false);

        Task FailAsync(int times, bool leavesOut) => CheckAsync(HttpStatusCode.ServiceUnavailable, times, leavesOut);

        Task PassAsync(int times, bool leavesOut) => CheckAsync(HttpStatusCode.OK, times, leavesOut);

        async Task CheckAsync(HttpStatusCode status, int times, bool leavesOut)
        {
            for (var i = 0; i < times; i++)
            {
                await checks.NextAsync(status);
                Assert.Equal(leavesOut, checks.IsOut);
            }
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Update_Interval_IsKeptFromTheFirstCheckOn()
    {
        await using var checks = new ChecksByHand(probe => probe.Interval = TimeSpan.FromSeconds(7));
        var justBefore = TimeSpan.FromSeconds(7) - OneTick;

        // Only the first comes at a moment of chance.
        var first = await checks.FirstDueInAsync();
        Assert.InRange(first, OneTick, justBefore);
        checks.Time.Advance(first - OneTick);
        Assert.Equal(0, checks.Made);
        checks.Time.Advance(OneTick);
        await checks.EndedAsync();
        for (var made = 1; made <= 5; made++)
        {
            Assert.Equal(made, checks.Made);
            checks.Time.Advance(justBefore);
            // Nothing has gone off: it is still to come.
            Assert.Equal(OneTick, checks.Time.NextDueIn);
            Assert.Equal(made, checks.Made);
            checks.Time.Advance(OneTick);
            await checks.EndedAsync();
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task InstanceRemovedAndClientDisposed_ChecksEnd()
    {
        var env = new MeshTestEnvironment(Checks(ProbeKind.Http));
        var gone = 0;
        var stays = 0;
        await using var first = await HttpPeer.StartAsync(_ => Count(ref gone), PeerTls.For(env.Authority, "orders"));
        await using var second = await HttpPeer.StartAsync(_ => Count(ref stays), PeerTls.For(env.Authority, "orders"));
        var listed = env.List("orders", first.Port);
        env.List("orders", second.Port);
        using (await env.Client().GetAsync("http://orders/", Token))
        {
            await Eventually.HoldsAsync(() => Volatile.Read(ref gone) > 2 && Volatile.Read(ref stays) > 2);
        }

        env.ControlPlane.RemoveInstance(listed.Id);
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.Count == 1);
        await Eventually.HoldsAsync(() => first.OpenConnections == 0, "its connection to close");
        var (before, others) = (Volatile.Read(ref gone), Volatile.Read(ref stays));
        await Eventually.HoldsAsync(() => Volatile.Read(ref stays) > others + 3);
        Assert.Equal(before, Volatile.Read(ref gone));
        await env.DisposeAsync();
        await Eventually.HoldsAsync(() => second.OpenConnections == 0, "the client's connection to close");

        static Task Count(ref int counter)
        {
            Interlocked.Increment(ref counter);
            return Task.CompletedTask;
        }
    }

    private static Action<MeshOptions> Checks(ProbeKind kind, Action<MeshProbeOptions>? more = null) => options =>
    {
        options.Defaults.AllowPlaintext = true;
        var probe = options.Defaults.Health.Probe;
        probe.Kind = kind;
        probe.Interval = TimeSpan.FromMilliseconds(100);
        // Longer than a busy machine takes to answer.
        probe.Timeout = TimeSpan.FromSeconds(10);
        probe.UnhealthyThreshold = 2;
        probe.HealthyThreshold = 2;
        more?.Invoke(probe);
    };

    /// <summary>The checks of one instance that is called all the time, in the time of a clock that is moved by hand.</summary>
    private sealed class ChecksByHand : IAsyncDisposable
    {
        private readonly TimeSpan _interval;
        private readonly Readiness _readiness = new();
        private readonly HealthProber _prober;

        public ChecksByHand(Action<MeshProbeOptions> configure)
        {
            var options = new MeshHealthOptions { Probe = { Kind = ProbeKind.Http } };
            configure(options.Probe);
            var health = TestHealth.Make(Time, options: options);
            health.Join(9);
            _interval = health.Settings.Probe.Interval;
            Instance = TestInstances.Make(
                TestInstances.Describe(), Time, health, TestInstances.Transports(Time, new MeshRandom(1), _ => _readiness));
            _prober = new HealthProber(health, Time.GetTimestamp, Time, telemetry: null);
            _prober.Update(new HashSet<InstanceState> { Instance });
        }

        public FakeTimeProvider Time { get; } = new();

        public InstanceState Instance { get; }

        public bool IsOut => Instance.Ejection.IsOut;

        /// <summary>How many checks have arrived.</summary>
        public int Made => _readiness.Asked;

        /// <summary>How long it is until the first check.</summary>
        public async Task<TimeSpan> FirstDueInAsync()
        {
            await Time.WaitForTimersAsync(1, cancellationToken: Token);
            return Time.NextDueIn!.Value;
        }

        public async Task FirstAsync(HttpStatusCode status)
        {
            _readiness.Status = status;
            Time.Advance(await FirstDueInAsync());
            await EndedAsync();
        }

        public async Task NextAsync(HttpStatusCode status)
        {
            _readiness.Status = status;
            var before = Made;
            Time.Advance(_interval);
            await EndedAsync();
            Assert.Equal(before + 1, Made);
        }

        /// <summary>Waits until a check that is due now has ended, which is when the next is an interval away.</summary>
        public Task EndedAsync() => Time.WaitForTimerAsync(_interval, cancellationToken: Token);

        public async ValueTask DisposeAsync()
        {
            await _prober.DisposeAsync();
            Instance.Transport.Dispose();
            _readiness.Dispose();
        }
    }

    private sealed class Readiness : HttpMessageHandler
    {
        private int _asked;

        public int Asked => Volatile.Read(ref _asked);

        public HttpStatusCode Status { get; set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            return Task.FromResult(new HttpResponseMessage(Status));
        }
    }
}
