using System.Globalization;
using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using MeshClient.Configuration;
using MeshClient.Dialing;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>The objects of a call serve other calls after it, and nobody can tell.</summary>
public sealed class ReusedCallTests
{
    // What a call is not used again for; see the test of that.
    private static readonly string[] Refused = ["_details", "_own", "_timer", "<IsHedged>k__BackingField", "<IsUpload>k__BackingField"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task TryReset_EverythingSet_IsAsNew()
    {
        await using var env = new MeshTestEnvironment();
        var destination = await DestinationAsync(env);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using var cancellation = new CancellationTokenSource();
        var call = new OutboundCall(request, destination, 5, rejection: null, cancellation.Token);
        var attempt = call.BeginFirst();
        SetAll(call, but: ["<Request>k__BackingField", "<Destination>k__BackingField", "_attempts"]);
        SetAll(attempt, but: []);
        Assert.True(call.TryReset());
        // Nothing of the app's is kept alive meanwhile.
        Assert.All(
            Fields(call).Concat(Fields(attempt)).Where(field => !field.FieldType.IsValueType && field.Name != "_own" && field.FieldType != typeof(OutboundCall)),
            field => Assert.Null(field.GetValue(field.DeclaringType == typeof(OutboundCall) ? call : attempt)));
        Assert.Equal(CancellationToken.None, call.Cancellation);
        using var next = new HttpRequestMessage(HttpMethod.Get, "http://orders/next");
        call.Begin(next, destination, 6, rejection: null, CancellationToken.None);
        var fresh = new OutboundCall(next, destination, 6, rejection: null, CancellationToken.None);
        Assert.All(Fields(call).Where(field => field.Name != "_own"), field => Assert.Equal(field.GetValue(fresh), field.GetValue(call)));
        Assert.Same(attempt, call.BeginFirst());
        var first = fresh.BeginFirst();
        Assert.All(Fields(attempt).Where(field => field.FieldType != typeof(OutboundCall)), field => Assert.Equal(field.GetValue(first), field.GetValue(attempt)));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("plain", true)]
    [InlineData("hedged", false)]
    [InlineData("upload", false)]
    [InlineData("failed", false)]
    [InlineData("body failed", false)]
    [InlineData("deadline", false)]
    [InlineData("no attempt", false)]
    [InlineData("fallback", false)]
    [InlineData("several attempts", false)]
    [InlineData("time limit", false)]
    [InlineData("connection", false)]
    public async Task TryReset_SomethingMayStillKnowOfIt_Refuses(string what, bool expected)
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            if (what == "fallback")
            {
                options.Destinations["orders"] = new MeshDestinationOptions { Fallback = _ => ValueTask.FromResult<HttpResponseMessage?>(null) };
            }
        });
        var destination = await DestinationAsync(env);
        using var request = what == "connection"
            ? new DialRequest("http://orders/", null!, TimeProvider.System)
            : new HttpRequestMessage(HttpMethod.Post, "http://orders/")
            {
                Content = what == "upload" ? new StreamContent(new OnceStream([1])) : new ByteArrayContent([1]),
            };
        var call = new OutboundCall(request, destination, 5, rejection: null, CancellationToken.None);
        if (what != "no attempt")
        {
            var attempt = call.BeginFirst();
            attempt.BodyFailure = what == "body failed" ? new IOException() : null;
            attempt.Timer = what == "time limit" ? new AttemptTimer(TimeProvider.System) : null;
        }

        call.Attempts += what == "several attempts" ? 1 : 0;
        call.IsHedged = what == "hedged";
        call.Failure = what == "failed" ? new IOException() : null;
        if (what == "deadline")
        {
            call.AmbientDeadlineAt = 7;
        }

        Assert.Equal(expected, call.TryReset());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Send_AnswersReadAndDisposedLate_AreNotTakenForThoseOfTheNextCall()
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", context => context.Response.WriteAsync(context.Request.Path.Value!));
        var client = env.Client();
        // One that had to wait until its service was found is not used again.
        await client.GetStringAsync("http://orders/before", Token);
        using (var first = await client.GetAsync("http://orders/a", HttpCompletionOption.ResponseHeadersRead, Token))
        {
            var body = await first.Content.ReadAsStreamAsync(Token);
            Assert.Equal(2, await body.ReadAtLeastAsync(new byte[10], 10, throwOnEndOfStream: false, Token));
            // It has ended, and what it was made of is that of the second call.
            using var second = await client.GetAsync("http://orders/b", HttpCompletionOption.ResponseHeadersRead, Token);
            Assert.Equal(1, env.State("orders").InFlight);
            Assert.Equal(0, await body.ReadAsync(new byte[1], Token));
            await body.DisposeAsync();
            first.Dispose();
            Assert.Equal(1, env.State("orders").InFlight);
            Assert.Equal("/b", await second.Content.ReadAsStringAsync(Token));
        }

        Assert.Equal(0, env.State("orders").InFlight);
        var pipeline = env.Services.GetRequiredService<OutboundPipeline>();
        var kept = (Spares<OutboundCall>)Fields(pipeline).Single(field => field.FieldType == typeof(Spares<OutboundCall>)).GetValue(pipeline)!;
        Assert.NotNull(kept.TryTake());
        // Both were the same, though the first answer was still held when the second call was made.
        Assert.Null(kept.TryTake());
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Send_CallsOfAllKindsAtOnce_EachGetsItsOwnAnswerAndNothingIsLeft(bool isHedged)
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options =>
            {
                options.Defaults.Hedging.Enabled = isHedged;
                options.Defaults.Hedging.Delay = TimeSpan.FromMilliseconds(5);
                options.Defaults.Retry.BaseDelay = TimeSpan.FromMilliseconds(1);
                // Nothing but the calls themselves is to decide what comes of them.
                options.Defaults.AttemptTimeout = options.Defaults.CallTimeout = TimeSpan.FromMinutes(1);
            },
            services: meters.Attach);
        var failed = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                var id = context.Request.Query["id"].ToString();
                context.Response.Headers["X-Id"] = id;
                switch (context.Request.Path.Value)
                {
                    case "/fails" when Interlocked.Increment(ref failed) % 3 == 0:
                        context.Response.StatusCode = 503;
                        break;
                    case "/empty":
                        context.Response.StatusCode = 204;
                        break;
                    case "/long":
                        for (var part = 0; part < 20; part++)
                        {
                            await context.Response.WriteAsync(id + new string('.', 4_000), context.RequestAborted);
                            await context.Response.Body.FlushAsync(context.RequestAborted);
                        }

                        break;
                    case "/hangs":
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                        break;
                    default:
                        await context.Response.WriteAsync(id);
                        break;
                }
            });
        }

        const int Callers = 16;
        const int Calls = 60;
        var client = env.Client();
        // A call that is given up while its service is still being looked up is none of the pipeline's.
        await client.GetStringAsync("http://orders/short?id=first", Token);
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(
            async () =>
            {
                var random = new Random(caller);
                for (var i = 0; i < Calls; i++)
                {
                    await CallAsync(client, random, $"{caller}-{i}");
                }
            },
            Token)));

        var state = env.State("orders");
        var instances = state.GetDestination(new DestinationName(state.Service, null, SchemePreference.Http)).Callable.ToArray();
        await Eventually.HoldsAsync(() => state.InFlight == 0 && instances.All(instance => instance.Load.InFlight == 0));
        // Each call is told once.
        await Eventually.HoldsAsync(() => meters.Of("meshclient.call.duration").Count == 1 + (Callers * Calls));
    }

    private static async Task CallAsync(HttpClient client, Random random, string id)
    {
        using var giveUp = new CancellationTokenSource();
        var kind = random.Next(9);
        var path = kind switch { 0 => "fails", 1 => "empty", 2 or 3 => "long", 4 => "hangs", _ => "short" };
        using var request = new HttpRequestMessage(
            kind switch { 5 => HttpMethod.Post, 6 => HttpMethod.Head, _ => HttpMethod.Get }, string.Create(CultureInfo.InvariantCulture, $"http://orders/{path}?id={id}"))
        {
            Content = kind == 5 ? new StringContent(id) : null,
        };
        var calling = client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, giveUp.Token);
        if (kind == 4)
        {
            await giveUp.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calling);
            return;
        }

        using var response = await calling.WaitAsync(Token);
        if (response.StatusCode != HttpStatusCode.ServiceUnavailable)
        {
            Assert.Equal(id, Assert.Single(response.Headers.GetValues("X-Id")));
        }

        switch (kind)
        {
            case 2:
                // One reads while another disposes; either may come first.
                var reading = Record.ExceptionAsync(() => response.Content.ReadAsByteArrayAsync(Token));
                await Task.Yield();
                response.Dispose();
                await reading;
                break;
            case 3:
                Assert.StartsWith(id + ".", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
                break;
            case 5 or 7:
                Assert.Equal(id, await response.Content.ReadAsStringAsync(Token));
                break;
        }
    }

    private static async Task<Destination> DestinationAsync(MeshTestEnvironment env)
    {
        await env.StartAsync("orders", _ => Task.CompletedTask);
        await env.Client().GetStringAsync("http://orders/", Token);
        var service = env.State("orders");
        return service.GetDestination(new DestinationName(service.Service, null, SchemePreference.Http));
    }

    private static FieldInfo[] Fields(object of) => of.GetType().GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);

    private static void SetAll(object of, string[] but)
    {
        var changing = Fields(of).Where(field => (of is ValueType || !field.IsInitOnly) && !field.FieldType.IsAbstract && field.FieldType != typeof(OutboundCall));
        foreach (var field in changing.Where(field => !Refused.Contains(field.Name) && !but.Contains(field.Name)))
        {
            field.SetValue(of, Anything(field.FieldType));
        }
    }

    private static object Anything(Type type)
    {
        if (type == typeof(CancellationToken))
        {
            return new CancellationToken(canceled: true);
        }

        if (type == typeof(string))
        {
            return "before";
        }

        if (type == typeof(AsyncTaskMethodBuilder<HttpResponseMessage>))
        {
            var promise = default(AsyncTaskMethodBuilder<HttpResponseMessage>);
            _ = promise.Task;
            return promise;
        }

        if (type == typeof(bool))
        {
            return true;
        }

        if (type.IsEnum)
        {
            return Enum.ToObject(type, 1);
        }

        if (type.IsPrimitive)
        {
            return Convert.ChangeType(3, type, CultureInfo.InvariantCulture);
        }

        if (Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return Anything(underlying);
        }

        var thing = RuntimeHelpers.GetUninitializedObject(type);
        if (type.IsValueType)
        {
            SetAll(thing, but: []);
        }

        return thing;
    }
}
