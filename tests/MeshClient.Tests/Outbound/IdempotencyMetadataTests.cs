using System.Collections.Immutable;
using System.Net;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Calls that are repeated because the instances say that they may be, over real connections.</summary>
public sealed class IdempotencyMetadataTests
{
    private const string Marked = "POST /orders/{id:int}/cancel|/pkg.Orders/Cancel";
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("POST", "/orders/7/cancel", 2)]
    [InlineData("POST", "/orders/7/cancel?why=late", 2)]
    [InlineData("POST", "/pkg.Orders/Cancel", 2)]
    [InlineData("PATCH", "/orders/7/cancel", 1)]
    [InlineData("POST", "/orders/x/cancel", 1)]
    [InlineData("POST", "/Orders/7/cancel", 1)]
    [InlineData("POST", "/pkg.Orders/Place", 1)]
    public async Task SendAsync_EveryInstanceSaysSo_IsRepeatedWhereItIsMarked(string method, string path, int expected)
    {
        await using var env = new MeshTestEnvironment();
        var requests = await StartAsync(env, Marked, Marked);
        Assert.Equal(expected, await CountAsync(env, requests, path, method));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(Marked, null, 1)]
    [InlineData(Marked, "POST /orders/{id}", 1)]
    [InlineData(Marked, "nonsense", 1)]
    [InlineData(Marked, "/**", 2)]
    [InlineData(Marked, "POST /orders/{id}/cancel", 2)]
    public async Task PostAsync_VersionsDiffer_IsRepeatedWhenBothSaySo(string? one, string? other, int expected)
    {
        await using var env = new MeshTestEnvironment();
        var requests = await StartAsync(env, one, other);
        Assert.Equal(expected, await CountAsync(env, requests, "/orders/7/cancel"));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false, null, 1)]
    [InlineData(null, false, 1)]
    [InlineData(false, true, 2)]
    public async Task PostAsync_SettingOff_IsNotRepeated(bool? common, bool? own, int expected)
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.Retry.UseIdempotencyMetadata = common;
            options.Destinations["orders"] = new MeshDestinationOptions { Retry = { UseIdempotencyMetadata = own } };
        });
        var requests = await StartAsync(env, Marked, Marked);
        Assert.Equal(expected, await CountAsync(env, requests, "/orders/7/cancel"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_InstanceWithoutTheMarkCriticalOrComing_CountsWhenItCanBeCalled()
    {
        await using var env = new MeshTestEnvironment();
        var requests = await StartAsync(env, Marked, Marked, null);
        var old = env.ControlPlane.Instances(Orders).Instances.Single(instance => instance.Meta.IsEmpty).Id;
        Assert.Equal(1, await CountAsync(env, requests, "/orders/7/cancel"));

        await env.SetHealthAsync("orders", old, InstanceHealth.Critical);
        Assert.Equal(2, await CountAsync(env, requests, "/orders/7/cancel"));

        await env.SetHealthAsync("orders", old, InstanceHealth.Passing);
        Assert.Equal(1, await CountAsync(env, requests, "/orders/7/cancel"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_OnlyInstancesWithoutTheMarkAreLeftWhenItIsRepeated_DoesNotReachThem()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.Retry.BaseDelay = TimeSpan.FromMilliseconds(1);
            // The rest of what an attempt needs is there then.
            options.Defaults.CallTimeout = TimeSpan.FromSeconds(30);
        });
        var served = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                Interlocked.Increment(ref served);
                // An older version takes the place of both, as the caller hears before its call has failed.
                SayAll(env, null, null);
                await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.All(instance => instance.Meta.IsEmpty));
                context.Response.StatusCode = 503;
            });
        }

        SayAll(env, Marked, Marked);
        using var response = await env.Client().PostAsync("http://orders/orders/7/cancel", null, Token);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 1), (response.StatusCode, served));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_TheInstanceThatHadItIsWithoutTheMarkAndGone_IsNotRepeated()
    {
        await using var env = new MeshTestEnvironment();
        var served = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                Interlocked.Increment(ref served);
                // Leaves in order, so that nobody holds on to it: the one that is left says that the endpoint is idempotent.
                var port = context.Connection.LocalPort;
                var (left, self) = (env.ControlPlane.Instances(Orders).Instances.Single(one => one.Endpoints[0].Port != port), $"orders-127.0.0.1-{port}");
                env.ControlPlane.SetHealth(new InstanceId(self), InstanceHealth.Critical);
                env.ControlPlane.SetInstances(Orders, left with { Meta = Says(Marked) });
                await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances is [var only] && !only.Meta.IsEmpty);
                context.Response.StatusCode = 503;
            });
        }

        using var response = await env.Client().PostAsync("http://orders/orders/7/cancel", null, Token);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 1), (response.StatusCode, served));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_TheInstancesBeganToSaySoWhenTheyHadIt_IsNotRepeated()
    {
        await using var env = new MeshTestEnvironment();
        var served = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                Interlocked.Increment(ref served);
                // A newer version takes the place of both, under the same ids; whoever executed this has not said so.
                SayAll(env, Marked, Marked);
                await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.All(instance => !instance.Meta.IsEmpty));
                context.Response.StatusCode = 503;
            });
        }

        using var response = await env.Client().PostAsync("http://orders/orders/7/cancel", null, Token);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 1), (response.StatusCode, served));

        // What they say now holds for what they get from now on.
        using var other = await env.Client().PostAsync("http://orders/orders/8/cancel", null, Token);
        Assert.Equal(2 + MeshDefaults.MaxRetries, served);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_AnOlderVersionComesDuringTheBackOff_DoesNotGetTheCall()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.CallTimeout = TimeSpan.FromMinutes(1), services: services => services.AddSingleton<TimeProvider>(time));
        var served = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", context =>
            {
                // The pause that is asked for is the time in which the list changes.
                context.Response.StatusCode = 503;
                context.Response.Headers.RetryAfter = "2";
                Interlocked.Increment(ref served);
                return Task.CompletedTask;
            });
        }

        SayAll(env, Marked, Marked);
        var calling = env.Client().PostAsync("http://orders/orders/7/cancel", null, Token);
        await Eventually.HoldsAsync(() => Volatile.Read(ref served) == 1 && env.State("orders").RetryBudget.Balance(time.GetTimestamp()) < 100);
        SayAll(env, null, null);
        await env.TakenInAsync("orders");
        await Eventually.HoldsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            return calling.IsCompleted;
        });
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => calling);
        Assert.Equal((1, "Pick", MeshFailureReason.NoInstances, 1), (served, failure.Stage, failure.Reason, failure.Attempts));
        Assert.Contains("idempotent", failure.Message, StringComparison.Ordinal);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(Marked, 2)]
    [InlineData(null, 1)]
    public async Task PostAsync_HedgingOn_IsMadeASecondTimeWhenAllSaySo(string? other, int expected)
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.Hedging.Enabled = true;
            options.Defaults.Hedging.Delay = TimeSpan.FromMilliseconds(20);
        });
        var requests = 0;
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                if (Interlocked.Increment(ref requests) == 1)
                {
                    await enough.Task.WaitAsync(context.RequestAborted);
                }
            });
        }

        SayAll(env, Marked, other);
        var calling = env.Client().PostAsync("http://orders/orders/7/cancel", new StringContent("x"), Token);
        if (expected == 1)
        {
            // Many times the delay after which it would have come.
            await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, Token);
            enough.SetResult();
        }

        using var response = await calling;
        Assert.Equal((HttpStatusCode.OK, expected), (response.StatusCode, Volatile.Read(ref requests)));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_NonsenseInTheMetadata_IsLoggedOnce()
    {
        await using var env = new MeshTestEnvironment();
        var requests = await StartAsync(env, "nonsense", "nonsense");
        Assert.Equal(1, await CountAsync(env, requests, "/orders/7/cancel"));
        var line = Assert.Single(env.Logs.Lines, line => line.Event.Id == 36);
        Assert.Contains("'nonsense' is no endpoint", line.Text, StringComparison.Ordinal);
    }

    // Each request that comes in odd places fails, whichever instance it came to.
    private static async Task<Func<int>> StartAsync(MeshTestEnvironment env, params string?[] says)
    {
        var requests = 0;
        foreach (var _ in says)
        {
            await env.StartAsync("orders", context =>
            {
                context.Response.StatusCode = Interlocked.Increment(ref requests) % 2 == 1 ? 503 : 200;
                return Task.CompletedTask;
            });
        }

        SayAll(env, says);
        return () => Interlocked.Exchange(ref requests, 0);
    }

    private static void SayAll(MeshTestEnvironment env, params string?[] says) => env.ControlPlane.SetInstances(
        Orders,
        [.. env.ControlPlane.Instances(Orders).Instances.Zip(says, (instance, said) => instance with
        {
            Meta = Says(said),
        })]);

    private static ImmutableSortedDictionary<string, string> Says(string? endpoints) => endpoints is null
        ? ImmutableSortedDictionary<string, string>.Empty
        : ImmutableSortedDictionary<string, string>.Empty.Add(IdempotentEndpoints.MetaKey, endpoints);

    // How often the service got the one call.
    private static async Task<int> CountAsync(MeshTestEnvironment env, Func<int> requests, string path, string method = "POST")
    {
        requests();
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders" + path) { Content = new StringContent("x") };
        using var response = await env.Client().SendAsync(request, Token);
        var count = requests();
        Assert.Equal(count == 1 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK, response.StatusCode);
        return count;
    }
}
