using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using MeshClient.Configuration;
using MeshClient.Testing;

namespace MeshClient.Benchmarks;

/// <summary>What the pipeline adds to a call that succeeds at once, in time and in bytes, with no network under it.</summary>
internal static class OverheadBenchmark
{
    private static readonly Uri Https = new("https://orders/things/1");
    private static readonly Uri Http = new("http://orders/things/1");

    public static async Task<int> RunAsync(string[] parts)
    {
        Print.Machine();
        foreach (var body in (byte[]?[])[null, new byte[128]])
        {
            var stub = new StubHandler(body);
            using var bare = new HttpMessageInvoker(stub);
            await using var mesh = await CreateAsync(stub, 3);
            var few = Call("MeshClient, 3 instances", mesh.Invoker(), stub, Https);
            if (IsWanted("calls"))
            {
                await using var many = await CreateAsync(stub, 1000);
                await using var most = await CreateAsync(stub, 10_000);
                using var cancellation = new CancellationTokenSource();
                var rows = Measurement.Compare(
                    Call("bare HttpMessageInvoker", bare, stub, Https),
                    few,
                    Call("MeshClient, 1000 instances", many.Invoker(), stub, Https),
                    Call("MeshClient, 10000 instances", most.Invoker(), stub, Https),
                    Call("MeshClient, 3 instances, http:// address", mesh.Invoker(), stub, Http),
                    Call("MeshClient, 3 instances, cancellable caller", mesh.Invoker(), stub, Https, cancellation.Token));
                Print.Rows(body is null ? "Empty answer" : $"Answer of {body.Length} bytes, read to the end", rows);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"3 -> 10 000 instances: {rows[3].Nanoseconds / rows[1].Nanoseconds:F2}x"));
                Console.WriteLine();
            }

            if (IsWanted("hedging"))
            {
                await using var hedging = await CreateAsync(stub, 3, Hedge);
                Print.Rows(
                    "What a hedge adds that is not made, since the answer comes in time",
                    Measurement.Compare(few, Call("the same with hedging", hedging.Invoker(), stub, Https)));
            }

            if (IsWanted("options"))
            {
                await using var breaking = await CreateAsync(stub, 3, Break);
                await using var limiting = await CreateAsync(stub, 3, Limit);
                await using var everything = await CreateAsync(stub, 3, options =>
                {
                    Break(options);
                    Limit(options);
                    Hedge(options);
                });
                Print.Rows(
                    "What is off unless asked for, with nothing to do",
                    Measurement.Compare(
                        few,
                        Call("with the circuit breaker", breaking.Invoker(), stub, Https),
                        Call("with adaptive limit, rate limit and throttling", limiting.Invoker(), stub, Https),
                        Call("with all of these and hedging", everything.Invoker(), stub, Https)));
            }

            if (IsWanted("listeners"))
            {
                Print.Rows(
                    "What listeners add: all spans recorded, all instruments heard",
                    Measurement.Compare(
                        few,
                        few with { Name = "with a listener on the instruments", Around = ListenToInstruments },
                        few with { Name = "with a listener on the spans", Around = ListenToSpans },
                        few with { Name = "with both", Around = () => new Both(ListenToInstruments(), ListenToSpans()) }));
            }
        }

        return 0;

        bool IsWanted(string part) => parts.Length == 0 || parts.Contains(part);
    }

    // Late enough that no call of this benchmark is ever made twice.
    private static void Hedge(MeshDestinationOptions options) =>
        options.Hedging = new() { Enabled = true, Delay = TimeSpan.FromSeconds(1) };

    private static void Break(MeshDestinationOptions options) => options.CircuitBreaker.Enabled = true;

    private static void Limit(MeshDestinationOptions options)
    {
        options.Overload.Adaptive.Enabled = true;
        options.Overload.Throttling.Enabled = true;
        // The most that can be set; the variants have turns, so it is more than one of them makes.
        options.Overload.RateLimit.PerSecond = 1_000_000;
        options.Overload.RateLimit.Burst = 1_000_000;
    }

    private static async Task<BenchmarkMesh> CreateAsync(
        StubHandler stub, int instances, Action<MeshDestinationOptions>? configure = null)
    {
        var controlPlane = new InMemoryControlPlane();
        controlPlane.SetInstances(BenchmarkMesh.Orders, [.. BenchmarkMesh.Instances(instances, 1000)]);
        var mesh = BenchmarkMesh.Create(controlPlane, stub, configure);
        // The first call waits for the instances and the certificate, on other threads.
        using var invoker = mesh.Invoker();
        using var request = new HttpRequestMessage(HttpMethod.Get, Https);
        var first = invoker.SendAsync(request, CancellationToken.None);
        while (!stub.IsPending && !first.IsCompleted)
        {
            await Task.Yield();
        }

        if (stub.IsPending)
        {
            stub.Finish();
        }

        (await first).Dispose();
        return mesh;
    }

    private static Variant Call(
        string name, HttpMessageInvoker invoker, StubHandler stub, Uri uri, CancellationToken cancellationToken = default) => new(name, () =>
        {
            var call = invoker.SendAsync(new HttpRequestMessage(HttpMethod.Get, uri), cancellationToken);
            stub.Finish();
            var response = call.GetAwaiter().GetResult();
            if (stub.HasBody)
            {
                using var stream = response.Content.ReadAsStream(CancellationToken.None);
                stream.CopyTo(Stream.Null);
            }
        });

    private static ActivityListener ListenToSpans()
    {
        var activities = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "MeshClient",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(activities);
        return activities;
    }

    private static MeterListener ListenToInstruments()
    {
        var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "MeshClient")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<double>((_, _, _, _) => { });
        meters.SetMeasurementEventCallback<long>((_, _, _, _) => { });
        meters.Start();
        return meters;
    }

    private sealed class Both(IDisposable first, IDisposable second) : IDisposable
    {
        public void Dispose()
        {
            first.Dispose();
            second.Dispose();
        }
    }
}
