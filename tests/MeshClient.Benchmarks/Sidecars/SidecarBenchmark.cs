using System.Diagnostics;
using System.Globalization;
using System.Net;
using MeshClient.Outbound;
using MeshClient.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks.Sidecars;

/// <summary>
/// MeshClient, with its intentions checked for every request, against pairs of sidecars with mutual TLS between them, which
/// check the certificate and nothing else. The caller's loop, its HttpClient handler and the service's code are the same.
/// </summary>
internal static class SidecarBenchmark
{
    private static readonly (int Bytes, int Callers)[] Cells = [(128, 1), (128, 64), (16384, 64)];

    public static async Task<int> RunAsync(string[] args)
    {
        var seconds = TransportBenchmark.Option(args, "--seconds", 3);
        var rounds = TransportBenchmark.Option(args, "--rounds", 3);
        await using var registry = new MeshServer(new MeshServerOptions
        {
            ListenAddress = new Uri("http://127.0.0.1:0"),
            DefaultIntentionPolicy = DefaultIntentionPolicy.Deny,
        });
        await registry.StartAsync();
        await AllowAsync(registry.Address);
        var (plainPort, meshPort) = (SidecarPair.FreePort(), SidecarPair.FreePort());
        using var service = StartService(registry.Address, plainPort, meshPort);
        await service.StandardOutput.ReadLineAsync();
        using var web = await StartClientAsync(registry.Address);
        using var mesh = new HttpMessageInvoker(web.Services.GetRequiredService<MeshHandlerFactory>().Create());

        var ways = new List<Way> { new("MeshClient", mesh, new Uri("https://orders/"), HttpVersion.Version20, null) };
        var certificates = new SidecarCertificates();
        using var bare = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false });
        foreach (var program in (string[])["haproxy", "nginx"])
        {
            if (await SidecarPair.StartAsync(program, certificates, plainPort) is { } pair)
            {
                ways.Add(new Way($"{program} pair", bare, new Uri($"http://127.0.0.1:{pair.Port}/"), HttpVersion.Version11, pair));
            }
            else
            {
                Console.WriteLine($"{program} is not installed.");
            }
        }

        Print.Machine();
        Console.WriteLine($"{rounds} rounds of {seconds} s each, in turn; medians; everything shares the processors.");
        Console.WriteLine();
        Console.WriteLine("| way | bytes | callers | calls/s | MeshClient's are | p50 us | MeshClient's is | p99 us | CPU ms per 1 000 calls | MeshClient's is | sidecars' memory MB |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var (bytes, callers) in Cells)
        {
            await RunCellAsync(ways, service, bytes, callers, seconds, rounds);
        }

        ways.ForEach(way => way.Sidecars?.Dispose());
        service.StandardInput.Close();
        await service.WaitForExitAsync();
        await web.StopAsync();
        return 0;
    }

    private static async Task RunCellAsync(List<Way> ways, Process service, int bytes, int callers, int seconds, int rounds)
    {
        var figures = ways.Select(_ => new List<Figures>()).ToList();
        for (var round = -1; round < rounds; round++)
        {
            for (var i = 0; i < ways.Count; i++)
            {
                var measured = await MeasureAsync(ways[i], service, bytes, callers, round < 0 ? 1 : seconds);
                if (round >= 0)
                {
                    figures[i].Add(measured);
                }
            }
        }

        for (var i = 0; i < ways.Count; i++)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {ways[i].Name} | {bytes} | {callers} | {Median(i, f => f.PerSecond):F0} | {Ratio(i, f => f.PerSecond):F2}x | {Median(i, f => f.P50):F0} | {Ratio(i, f => f.P50):F2}x | {Median(i, f => f.P99):F0} | {Median(i, f => f.CpuPerThousand):F1} | {Ratio(i, f => f.CpuPerThousand):F2}x | {(ways[i].Sidecars is { } pair ? (pair.Resident / 1e6).ToString("F0", CultureInfo.InvariantCulture) : "0")} |"));
        }

        double Median(int way, Func<Figures, double> figure) => Measurement.Median(figures[way].Select(figure));
        double Ratio(int way, Func<Figures, double> figure) =>
            Measurement.Median(figures[0].Zip(figures[way], (own, other) => figure(own) / figure(other)));
    }

    private static async Task<Figures> MeasureAsync(Way way, Process service, int bytes, int callers, int seconds)
    {
        using var self = Process.GetCurrentProcess();
        var cpu = Cpu();
        var load = await TransportBenchmark.LoadAsync(way.Invoker, new Uri(way.Address, bytes.ToString(CultureInfo.InvariantCulture)), way.Version, callers, TimeSpan.FromSeconds(seconds));
        return new Figures(load.PerSecond, load.P50, load.P99, (Cpu() - cpu).TotalMilliseconds / (load.PerSecond * seconds) * 1000);

        TimeSpan Cpu()
        {
            self.Refresh();
            service.Refresh();
            return self.TotalProcessorTime + service.TotalProcessorTime + (way.Sidecars?.ProcessorTime ?? TimeSpan.Zero);
        }
    }

    private static Process StartService(Uri registry, int plainPort, int meshPort) => Process.Start(new ProcessStartInfo(
        Environment.ProcessPath!,
        ["sidecar-server", registry.ToString(), plainPort.ToString(CultureInfo.InvariantCulture), meshPort.ToString(CultureInfo.InvariantCulture)])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    })!;

    private static async Task<IHost> StartClientAsync(Uri registry)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Mesh:Service"] = "web";
        builder.Configuration["Mesh:ControlPlane:Address"] = registry.ToString();
        builder.Services.AddMeshClient();
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    private static async Task AllowAsync(Uri registry)
    {
        using var http = new HttpClient { BaseAddress = registry };
        using var body = new StringContent("""{"Action":"allow"}""");
        using var answer = await http.PutAsync(new Uri("v1/connect/intentions/exact?source=web&destination=orders", UriKind.Relative), body);
        answer.EnsureSuccessStatusCode();
    }

    private sealed record Way(string Name, HttpMessageInvoker Invoker, Uri Address, Version Version, SidecarPair? Sidecars);

    private sealed record Figures(double PerSecond, double P50, double P99, double CpuPerThousand);
}
