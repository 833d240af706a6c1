using FsCheck;
using FsCheck.Fluent;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>The requests a connection brings, kept while they are served.</summary>
public sealed class RequestOriginTests
{
    private static readonly InboundVerdict Permitted = InboundRules.PermittedExempt;
    private static readonly InboundVerdict Denied = InboundRules.WithoutIntentions;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_OfAnyComingsAndGoings_AreThoseThatHaveComeAndNotGone()
    {
        await using var host = InboundTestHost.Create();
        var guard = host.Services.GetRequiredService<EndpointGuard>();

        // Each number is a request by its place: one that is there goes, one that is not comes; 99 looks at all.
        Prop.ForAll(Gen.Choose(0, 12).Select(i => i == 12 ? 99 : i).ListOf().ToArbitrary(), steps =>
        {
            var origin = OriginOf(guard);
            var there = new Dictionary<int, (InboundRequest Request, HttpContext Context)>();
            foreach (var step in steps)
            {
                if (step == 99)
                {
                    var seen = new List<HttpContext>();
                    origin.EndDenied(
                        running =>
                        {
                            seen.Add(running.Context);
                            return Permitted;
                        },
                        now: 0,
                        grace: 0,
                        (_, _) => Assert.Fail("Nothing was denied."),
                        NeverFails);
                    Assert.Equal(there.Values.Select(one => one.Context).ToHashSet(), seen.ToHashSet());
                    Assert.Equal(there.Count, seen.Count);
                }
                else if (there.Remove(step, out var gone))
                {
                    origin.Leave(gone.Request);
                    Assert.Null(origin.ContextOf(gone.Request));
                }
                else
                {
                    there[step] = Enter(origin);
                }

                Assert.All(there.Values, one => Assert.Same(one.Context, origin.ContextOf(one.Request)));
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public async Task EndDenied_WhileRequestsComeAndGo_EndsNoneThatHasGoneAndMissesNoneThatStays()
    {
        await using var host = InboundTestHost.Create();
        var origin = OriginOf(host.Services.GetRequiredService<EndpointGuard>());
        var stop = 0;
        var wrong = 0;
        var callers = Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                while (Volatile.Read(ref stop) == 0)
                {
                    var (request, context) = Enter(origin);
                    origin.Leave(request);
                    // Whoever is ended from now on is another's request by now.
                    var before = ((Lifetime)context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>()).Aborts;
                    Thread.Yield();
                    if (((Lifetime)context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>()).Aborts != before)
                    {
                        Interlocked.Increment(ref wrong);
                    }
                }
            },
            Token)).ToList();
        for (var i = 0; i < 200; i++)
        {
            var (staying, context) = Enter(origin);
            var ended = new List<RunningRequest>();
            origin.EndDenied(_ => Denied, now: 0, grace: 0, (running, _) => ended.Add(running), NeverFails);
            Assert.Contains(ended, running => ReferenceEquals(running.Context, context));
            Assert.Equal(1, ((Lifetime)context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>()).Aborts);
            Assert.False(staying.Verdict.IsPermitted);
            origin.Leave(staying);
        }

        Volatile.Write(ref stop, 1);
        await Task.WhenAll(callers).Bounded();
        Assert.Equal(0, wrong);
    }

    [Fact]
    public async Task EndDenied_OfARequestThatLeavesBecauseOfIt_GoesOnWithTheOthers()
    {
        await using var host = InboundTestHost.Create();
        var origin = OriginOf(host.Services.GetRequiredService<EndpointGuard>());
        var requests = Enumerable.Range(0, 5).Select(_ => Enter(origin)).ToList();
        foreach (var (request, context) in requests)
        {
            ((Lifetime)context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>()).OnAbort = () => origin.Leave(request);
        }

        var ended = 0;
        origin.EndDenied(_ => Denied, now: 0, grace: 0, (_, _) => ended++, NeverFails);

        Assert.Equal(5, ended);
        Assert.All(requests, one => Assert.Null(origin.ContextOf(one.Request)));
    }

    [Fact]
    public async Task EndDenied_PermitsComeAndGo_EachHasItsGraceFromWhenItWasFoundGone()
    {
        const long Grace = 500;
        await using var host = InboundTestHost.Create();
        var origin = OriginOf(host.Services.GetRequiredService<EndpointGuard>());
        var (first, second, third) = (Enter(origin).Request, Enter(origin).Request, Enter(origin).Request);
        var ended = new List<InboundRequest>();
        long? Look(long now, params InboundRequest[] denied) => origin.EndDenied(
            running => denied.Contains(running.Request) ? Denied : Permitted, now, Grace, (running, _) => ended.Add(running.Request), NeverFails);

        Assert.Equal(500, Look(0, first, third));
        // The second loses its permit right before the first has had its time; the third had got it back.
        Assert.Equal(1, Look(499, first, second));
        Assert.Empty(ended);
        Assert.Equal(499, Look(500, first, second, third));
        Assert.Equal([first], ended);
        Assert.Equal(1, Look(999, first, second, third));
        Assert.Equal([first, second], ended);
        Assert.Null(Look(1000, first, second, third));
        Assert.Equal([first, second, third], ended);
        Assert.Null(Look(5000, first, second, third));
        Assert.Equal(3, ended.Count);
    }

    [Fact]
    public async Task EndDenied_SomethingGoesWrongWithSome_EndsThemAndTheOthersAllTheSame()
    {
        await using var host = InboundTestHost.Create();
        var origin = OriginOf(host.Services.GetRequiredService<EndpointGuard>());
        var requests = Enumerable.Range(0, 5).Select(_ => Enter(origin)).ToList();
        requests[1].Context.Features.Set<IHttpResetFeature>(new BrokenReset());
        ((Lifetime)requests[2].Context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>()).OnAbort = () => throw new InvalidOperationException("abort");
        var failures = new List<string>();

        var left = origin.EndDenied(
            _ => Denied,
            now: 0,
            grace: 0,
            (_, _) => throw new InvalidOperationException("told"),
            failure => failures.Add(failure.Message));

        Assert.Null(left);
        Assert.Equal(["abort", "reset", "told", "told", "told", "told", "told"], failures.Order());
        Assert.All(requests, one => Assert.Equal(1, ((Lifetime)one.Context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>()).Aborts));
        Assert.All(requests, one => Assert.False(one.Request.Verdict.IsPermitted));
    }

    private static void NeverFails(Exception failure) => Assert.Fail(failure.ToString());

    private static RequestOrigin OriginOf(EndpointGuard guard)
    {
        var id = SpiffeId.ForService(TestCertificateAuthority.DefaultTrustDomain, "dc1", InboundTestHost.Web);
        Assert.True(id.TryGetService(out var service));
        return new RequestOrigin(new MeshPeer(id, service, default), guard);
    }

    private static (InboundRequest Request, HttpContext Context) Enter(RequestOrigin origin)
    {
        var features = new FeatureCollection();
        features.Set<IHttpRequestFeature>(new HttpRequestFeature());
        features.Set<IHttpRequestLifetimeFeature>(new Lifetime());
        var context = new DefaultHttpContext(features);
        var request = new InboundRequest(origin);
        request.Permit(features, Permitted);
        origin.Enter(request, new RunningRequest(request, context, "GET", "/"));
        return (request, context);
    }

    private sealed class BrokenReset : IHttpResetFeature
    {
        public void Reset(int errorCode) => throw new InvalidOperationException("reset");
    }

    private sealed class Lifetime : IHttpRequestLifetimeFeature
    {
        private int _aborts;

        public int Aborts => Volatile.Read(ref _aborts);

        public Action? OnAbort { get; set; }

        public CancellationToken RequestAborted { get; set; }

        public void Abort()
        {
            Interlocked.Increment(ref _aborts);
            OnAbort?.Invoke();
        }
    }
}
