using System.Net;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Outbound;

public sealed class LeakTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SendAsync_AThousandMixedCalls_LeaveNothingBehind(bool hasEverythingOn)
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.MaxConcurrency = 8;
            options.Defaults.AttemptTimeout = TimeSpan.FromSeconds(2);
            options.Defaults.RetryBudgetPerSecond = 1000;
            if (hasEverythingOn)
            {
                (options.Defaults.Hedging.Enabled, options.Defaults.Hedging.Delay, options.Defaults.Hedging.BudgetRatio) = (true, TimeSpan.FromMilliseconds(2), 1);
                (options.Defaults.CircuitBreaker.Enabled, options.Defaults.CircuitBreaker.FailureRatio) = (true, 1);
                options.Defaults.Balancing.SlowStart = TimeSpan.FromSeconds(5);
            }
        });
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 2; i++)
        {
            peers.Add(await env.StartAsync("orders", ServeAsync));
        }

        env.List("orders", RawPeer.ClosedPort());
        env.StartRaw("orders", async (stream, _, token) =>
        {
            if (await RawPeer.ReadHeadAsync(stream, token) is not null)
            {
                await RawPeer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", token);
            }
        });
        await env.Client().GetStringAsync("http://orders/", Token).ContinueWith(_ => { }, TaskScheduler.Default);
        var outcomes = new int[Enum.GetValues<Outcome>().Length];
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Task.Run(async () =>
        {
            for (var i = Interlocked.Increment(ref next); i <= 1000; i = Interlocked.Increment(ref next))
            {
                Outcome outcome;
                while ((outcome = await CallAsync(env, i, hasEverythingOn)) == Outcome.Shed)
                {
                    // How many come back at once, for the others that are slow, is up to the machine: each is made until it is let in.
                    await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
                }

                Interlocked.Increment(ref outcomes[(int)outcome]);
            }
        })));

        Assert.InRange(outcomes[(int)Outcome.Ok], 200, 999);
        Assert.InRange(outcomes[(int)Outcome.Failed], 1, 700);
        Assert.InRange(outcomes[(int)Outcome.Cancelled], 1, 300);
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0, $"no call in flight, but {env.State("orders").InFlight}");
        foreach (var instance in env.State("orders").GetDestination(
            new DestinationName(Core.Naming.ServiceName.Parse("orders"), null, SchemePreference.Http)).Callable.ToArray())
        {
            // An attempt that another has overtaken may end after its call.
            await Eventually.HoldsAsync(() => instance.Load.InFlight == 0 && CountUsers(instance) == 0);
        }
    }

    private enum Outcome
    {
        Ok,
        Failed,
        Cancelled,
        Shed,
    }

    private static int CountUsers(InstanceState instance)
    {
        var pool = instance.Transport.Acquire();
        try
        {
            // Without us and the owner.
            return pool.Users - 2;
        }
        finally
        {
            pool.Release();
        }
    }

    private static async Task ServeAsync(HttpContext context)
    {
        switch (context.Request.Path.Value)
        {
            case "/503":
                context.Response.StatusCode = 503;
                await context.Response.WriteAsync("no", context.RequestAborted);
                break;
            case "/abort":
                context.Abort();
                break;
            case "/hang":
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                break;
            case "/empty":
                context.Response.StatusCode = 204;
                break;
            case "/endless":
                while (!context.RequestAborted.IsCancellationRequested)
                {
                    await context.Response.Body.WriteAsync(new byte[4096], context.RequestAborted);
                }

                break;
            default:
                await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
                await context.Response.WriteAsync("hello", context.RequestAborted);
                break;
        }
    }

    private static async Task<Outcome> CallAsync(MeshTestEnvironment env, int number, bool hasDeadline)
    {
        using var deadline = hasDeadline ? MeshDeadline.Begin(TimeSpan.FromSeconds(number % 4 == 0 ? 0.2 : 10)) : null;
        var readToEnd = hasDeadline && number % 4 == 0;
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var client = env.Client();
        try
        {
            switch (number % 10)
            {
                case 0:
                    (await client.GetAsync("http://orders/503", caller.Token)).Dispose();
                    break;
                case 1:
                    await client.GetStringAsync("http://orders/abort", caller.Token);
                    break;
                case 2:
                    caller.CancelAfter(TimeSpan.FromMilliseconds(1 + (number % 7)));
                    await client.GetStringAsync("http://orders/hang", caller.Token);
                    break;
                case 3:
                    (await client.DeleteAsync("https+http://orders/empty", caller.Token)).Dispose();
                    break;
                case 4:
                    // Thrown away in the middle of the body.
                    using (var response = await client.GetAsync("http://orders/endless", HttpCompletionOption.ResponseHeadersRead, caller.Token))
                    {
                        await using var body = await response.Content.ReadAsStreamAsync(caller.Token);
                        await body.ReadExactlyAsync(new byte[4], caller.Token);
                        if (readToEnd)
                        {
                            // Until the deadline passes.
                            await body.CopyToAsync(Stream.Null, caller.Token);
                        }
                    }

                    break;
                case 5:
                    (await client.PostAsync("https://orders/", new StringContent("body"), caller.Token)).Dispose();
                    break;
                case 6:
                    using (var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/")
                    {
                        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                        Version = HttpVersion.Version11,
                    })
                    {
                        (await client.SendAsync(request, caller.Token)).Dispose();
                    }

                    break;
                default:
                    await client.GetStringAsync("http://orders/", caller.Token);
                    break;
            }

            return Outcome.Ok;
        }
        catch (OperationCanceledException)
        {
            return Outcome.Cancelled;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return e is MeshCallException { Reason: MeshFailureReason.Overloaded } ? Outcome.Shed : Outcome.Failed;
        }
    }
}
