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

    public static async Task<int> RunAsync()
    {
        Print.Machine();
        foreach (var body in (byte[]?[])[null, new byte[128]])
        {
            var stub = new StubHandler(body);
            using var bare = new HttpMessageInvoker(stub);
            var meshes = new List<BenchmarkMesh>();
            foreach (var count in (int[])[3, 1000, 10_000])
            {
                meshes.Add(await CreateAsync(stub, count));
            }

            // Late enough that no call of this benchmark is ever made twice.
            var hedging = await CreateAsync(stub, 3, options => options.Hedging = new() { Enabled = true, Delay = TimeSpan.FromSeconds(1) });
            meshes.Add(hedging);
            using var cancellation = new CancellationTokenSource();
            var few = Call("MeshClient, 3 instances", meshes[0].Invoker(), stub, Https);
            var rows = Measurement.Compare(
                Call("bare HttpMessageInvoker", bare, stub, Https),
                few,
                Call("MeshClient, 1000 instances", meshes[1].Invoker(), stub, Https),
                Call("MeshClient, 10000 instances", meshes[2].Invoker(), stub, Https),
                Call("MeshClient, 3 instances, http:// address", meshes[0].Invoker(), stub, Http),
                Call("MeshClient, 3 instances, cancellable caller", meshes[0].Invoker(), stub, Https, cancellation.Token));
            Print.Rows(body is null ? "Empty answer" : $"Answer of {body.Length} bytes, read to the end", rows);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"3 -> 10 000 instances: {rows[3].Nanoseconds / rows[1].Nanoseconds:F2}x"));
            Console.WriteLine();
            Print.Rows(
                "What a hedge adds that is not made, since the answer comes in time",
                Measurement.Compare(few, Call("the same with hedging", hedging.Invoker(), stub, Https)));
            Print.Rows(
                "What listeners add: all spans recorded, all instruments heard",
                Measurement.Compare(
                    few,
                    few with { Name = "with a listener on the instruments", Around = ListenToInstruments },
                    few with { Name = "with a listener on the spans", Around = ListenToSpans },
                    few with { Name = "with both", Around = () => new Both(ListenToInstruments(), ListenToSpans()) }));

            foreach (var mesh in meshes)
            {
                await mesh.DisposeAsync();
            }
        }

        return 0;
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
