using System.Diagnostics;
using System.Globalization;
using MeshClient.Core.Overload;
using MeshClient.Server;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Benchmarks;

/// <summary>
/// A service that is asked for twice what it can do, on real sockets with mutual TLS: how many calls it still answers in time,
/// with a limit that is learned and without.
/// </summary>
internal static class OverloadBenchmark
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(500);
    private static readonly Uri Address = new("https://orders/");

    private static readonly double Ideal = OverloadServer.Places / OverloadServer.WorkTime.TotalSeconds;

    // Some quiet seconds, for a limit to learn what is normal, then twice what the service can do.
    private static readonly (double OfPeak, TimeSpan Duration)[] Steps = [(0.5, TimeSpan.FromSeconds(8)), (2, TimeSpan.FromSeconds(12))];

    public static async Task<int> RunAsync()
    {
        Print.Machine();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"A resource of {OverloadServer.Places} places, {OverloadServer.WorkTime.TotalMilliseconds:F0} ms each; a call is in time within {Deadline.TotalMilliseconds:F0} ms of when it was due. Callers and service are processes of their own and share the processors."));
        Console.WriteLine();
        await using var registry = new MeshServer(new MeshServerOptions
        {
            ListenAddress = new Uri("http://127.0.0.1:0"),
            DefaultIntentionPolicy = DefaultIntentionPolicy.Allow,
        });
        await registry.StartAsync();
        var peak = await PeakAsync(registry.Address);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Peak: {peak:F0} calls/s in time (the best of 0.8, 0.9, 1 and 1.1 times the {Ideal:F0} that the resource could do if nothing else took time)."));
        Console.WriteLine();
        Console.WriteLine("| limit | offered/s | in time/s | of peak | p50 ms | p99 ms | shed/s | refused here/s | late/s |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
        await MeasureAsync(registry.Address, "none", null, null, peak);
        foreach (var algorithm in Enum.GetValues<LimitAlgorithm>())
        {
            await MeasureAsync(registry.Address, $"{algorithm}, in the service", algorithm, null, peak);
        }

        foreach (var algorithm in Enum.GetValues<LimitAlgorithm>())
        {
            await MeasureAsync(registry.Address, $"{algorithm}, in the caller", null, algorithm, peak);
        }

        return 0;
    }

    private static async Task<double> PeakAsync(Uri registry)
    {
        using var server = Start(registry, null);
        await using var services = Services(registry, null);
        var loop = new OpenLoop(await ClientAsync(services), Address, Deadline);
        await loop.RunAsync(Ideal / 2, TimeSpan.FromSeconds(4));
        var peak = 0.0;
        foreach (var share in (double[])[0.8, 0.9, 1, 1.1])
        {
            peak = Math.Max(peak, (await loop.RunAsync(Ideal * share, TimeSpan.FromSeconds(6))).Good);
        }

        await StopAsync(server);
        return peak;
    }

    private static async Task MeasureAsync(Uri registry, string name, LimitAlgorithm? inService, LimitAlgorithm? inCaller, double peak)
    {
        using var server = Start(registry, inService);
        await using var services = Services(registry, inCaller);
        var loop = new OpenLoop(await ClientAsync(services), Address, Deadline);
        foreach (var (share, duration) in Steps)
        {
            var result = await loop.RunAsync(peak * share, duration);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {result.Offered:F0} | {result.Good:F0} | **{result.Good / peak:P0}** | {result.P50:F0} | {result.P99:F0} | {result.Shed:F0} | {result.Refused:F0} | {result.Late:F0} |"));
        }

        await StopAsync(server);
    }

    private static Process Start(Uri registry, LimitAlgorithm? limit) => Process.Start(
        new ProcessStartInfo(Environment.ProcessPath!, ["overload-server", registry.ToString(), limit?.ToString() ?? "none"])
        {
            RedirectStandardInput = true,
        })!;

    private static async Task StopAsync(Process server)
    {
        server.StandardInput.Close();
        await server.WaitForExitAsync();
    }

    private static ServiceProvider Services(Uri registry, LimitAlgorithm? limit)
    {
        var services = new ServiceCollection();
        services.AddMeshClient(mesh =>
        {
            mesh.Service = "web";
            mesh.ControlPlane.Address = registry.ToString();
            mesh.Defaults.CallTimeout = Deadline;
            mesh.Defaults.AttemptTimeout = Deadline;
            if (limit is not null)
            {
                mesh.Defaults.Overload.Adaptive = new() { Enabled = true, Algorithm = limit };
            }
        });
        return services.BuildServiceProvider();
    }

    // The service has to be up, known and connected to before anything is measured.
    private static async Task<HttpClient> ClientAsync(ServiceProvider services)
    {
        var client = services.GetRequiredService<IHttpClientFactory>().CreateClient();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            try
            {
                using var response = await client.GetAsync(Address, limit.Token);
                if (response.IsSuccessStatusCode)
                {
                    return client;
                }
            }
            catch (HttpRequestException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, limit.Token);
            }
        }
    }
}
