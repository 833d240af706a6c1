using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Testing;

namespace MeshClient.Benchmarks;

/// <summary>
/// Calls over mutual TLS to one server process: MeshClient against the bare SocketsHttpHandler, alternating in one run. A closed
/// loop of N callers; both read the answer to the end.
/// </summary>
internal static class TransportBenchmark
{
    private static readonly (Version Version, int Bytes, int Callers)[] Cells =
    [
        (HttpVersion.Version20, 128, 1), (HttpVersion.Version20, 128, 16), (HttpVersion.Version20, 128, 64), (HttpVersion.Version20, 128, 256),
        (HttpVersion.Version20, 16384, 1), (HttpVersion.Version20, 16384, 16), (HttpVersion.Version20, 16384, 64), (HttpVersion.Version20, 16384, 256),
        (HttpVersion.Version11, 128, 1), (HttpVersion.Version11, 128, 16), (HttpVersion.Version11, 128, 64), (HttpVersion.Version11, 128, 256),
    ];

    private const int MostCalls = 1_000_000;
    private static readonly ConcurrentDictionary<int, List<double>[]> Latencies = new();
    private static readonly TimeSpan Compiling = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync(string[] args)
    {
        var length = TimeSpan.FromMilliseconds(Option(args, "--milliseconds", 500));
        var rounds = Option(args, "--rounds", 15);
        Print.Machine();
        Console.WriteLine($"{rounds} rounds of {length.TotalSeconds} s each, A and B in turn; medians; client and server share the processors.");
        Console.WriteLine();
        using var controlPlane = new InMemoryControlPlane();
        using var server = await StartServerAsync(controlPlane);
        var port = int.Parse((await server.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
        controlPlane.SetInstances(BenchmarkMesh.Orders, [.. BenchmarkMesh.Instances(1, port)]);

        await using (var mesh = BenchmarkMesh.Create(controlPlane, network: null))
        {
            // Until the just-in-time compiler has done with what every cell runs; it works beside the calls for seconds.
            using var meshInvoker = mesh.Invoker();
            using var bareInvoker = Bare(controlPlane, port);
            foreach (var version in (Version[])[HttpVersion.Version20, HttpVersion.Version11, HttpVersion.Version20, HttpVersion.Version11])
            {
                await LoadAsync(bareInvoker, new Uri("https://orders/128"), version, 16, Compiling);
                await LoadAsync(meshInvoker, new Uri("https://orders/128"), version, 16, Compiling);
            }
        }

        Console.WriteLine("| HTTP | bytes | callers | bare calls/s | mesh calls/s | ratio | bare p50 us | mesh p50 us | ratio | bare p99 us | mesh p99 us | ratio | bare B/call | mesh B/call |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var (version, bytes, callers) in Cells.Where(cell => IsWanted(args, cell)))
        {
            await using var mesh = BenchmarkMesh.Create(controlPlane, network: null);
            using var meshInvoker = mesh.Invoker();
            using var bareInvoker = Bare(controlPlane, port);
            var uri = new Uri($"https://orders/{bytes}");
            await LoadAsync(bareInvoker, uri, version, callers, WarmUp);
            await LoadAsync(meshInvoker, uri, version, callers, WarmUp);
            var bare = new List<Load>();
            var meshed = new List<Load>();
            for (var round = 0; round < rounds; round++)
            {
                // Who goes first changes from round to round, so that neither always gets the warmer machine.
                if (round % 2 == 0)
                {
                    bare.Add(await LoadAsync(bareInvoker, uri, version, callers, length));
                    meshed.Add(await LoadAsync(meshInvoker, uri, version, callers, length));
                }
                else
                {
                    meshed.Add(await LoadAsync(meshInvoker, uri, version, callers, length));
                    bare.Add(await LoadAsync(bareInvoker, uri, version, callers, length));
                }
            }

            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {version} | {bytes} | {callers} | {Median(bare, l => l.PerSecond):F0} | {Median(meshed, l => l.PerSecond):F0} | **{Ratio(l => l.PerSecond):F2}** "
                + $"| {Median(bare, l => l.P50):F0} | {Median(meshed, l => l.P50):F0} | {Ratio(l => l.P50):F2} "
                + $"| {Median(bare, l => l.P99):F0} | {Median(meshed, l => l.P99):F0} | {Ratio(l => l.P99):F2} "
                + $"| {Median(bare, l => l.BytesPerCall):F0} | {Median(meshed, l => l.BytesPerCall):F0} |"));

            double Ratio(Func<Load, double> figure) =>
                Measurement.Median(meshed.Zip(bare, (own, other) => figure(own) / figure(other)));
        }

        server.StandardInput.Close();
        await server.WaitForExitAsync();
        return 0;
    }

    /// <summary>How both sides of the comparison judge the other's certificate.</summary>
    public static X509ChainPolicy Policy(X509Certificate2 root)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.Add(root);
        return policy;
    }

    private static double Median(List<Load> loads, Func<Load, double> figure) => Measurement.Median(loads.Select(figure));

    /// <summary>Reads a number of the command line.</summary>
    public static int Option(string[] args, string name, int otherwise)
    {
        var at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;
    }

    // "--cells 2.0:128:64,1.1:128:16" measures these only.
    private static bool IsWanted(string[] args, (Version Version, int Bytes, int Callers) cell)
    {
        var at = Array.IndexOf(args, "--cells");
        return at < 0 || at + 1 == args.Length
            || args[at + 1].Split(',').Contains(string.Create(CultureInfo.InvariantCulture, $"{cell.Version}:{cell.Bytes}:{cell.Callers}"));
    }

    private static async Task<Process> StartServerAsync(InMemoryControlPlane controlPlane)
    {
        var leaf = controlPlane.Authority.IssueLeaf(BenchmarkMesh.Orders);
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["transport-server"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var server = Process.Start(start)!;
        using var key = leaf.Certificate.GetECDsaPrivateKey()!;
        await server.StandardInput.WriteLineAsync(leaf.Certificate.ExportCertificatePem());
        await server.StandardInput.WriteLineAsync(controlPlane.Authority.Bundle.Roots[0].ExportCertificatePem());
        await server.StandardInput.WriteLineAsync(key.ExportECPrivateKeyPem());
        await server.StandardInput.WriteLineAsync(TransportServer.EndOfPem);
        await server.StandardInput.FlushAsync();
        return server;
    }

    private static HttpMessageInvoker Bare(InMemoryControlPlane controlPlane, int port)
    {
        LeafCertificate leaf = controlPlane.Authority.IssueLeaf(Core.Naming.ServiceName.Parse("web"));
        var root = controlPlane.Authority.Bundle.Roots[0];
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            EnableMultipleHttp2Connections = true,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificateContext = SslStreamCertificateContext.Create(leaf.Certificate, null, offline: true),
                CertificateChainPolicy = Policy(root),
                RemoteCertificateValidationCallback = (_, _, _, errors) => errors is SslPolicyErrors.None or SslPolicyErrors.RemoteCertificateNameMismatch,
                EnabledSslProtocols = SslProtocols.Tls13,
            },
        };
        return new HttpMessageInvoker(handler);
    }

    /// <summary>A closed loop of callers.</summary>
    public static async Task<Load> LoadAsync(HttpMessageInvoker invoker, Uri uri, Version version, int callers, TimeSpan length)
    {
        // Made beforehand, so that neither their bytes nor the collections they cause are the calls'.
        var latencies = Latencies.GetOrAdd(callers, static count => [.. Enumerable.Range(0, count).Select(_ => new List<double>(MostCalls / count))]);
        var bytes = GC.GetTotalAllocatedBytes();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(i => Task.Run(async () =>
        {
            var own = latencies[i];
            own.Clear();
            while (Stopwatch.GetElapsedTime(started) < length)
            {
                var sent = Stopwatch.GetTimestamp();
                await CallAsync(invoker, uri, version);
                own.Add(Stopwatch.GetElapsedTime(sent).TotalMicroseconds);
            }
        })));
        var elapsed = Stopwatch.GetElapsedTime(started).TotalSeconds;
        bytes = GC.GetTotalAllocatedBytes() - bytes;
        var all = latencies.SelectMany(own => own).Order().ToArray();
        return new Load(all.Length / elapsed, all[all.Length / 2], all[(int)(all.Length * 0.99)], (double)bytes / all.Length);
    }

    private static async Task CallAsync(HttpMessageInvoker invoker, Uri uri, Version version)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, uri)
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await invoker.SendAsync(request, CancellationToken.None);
        response.EnsureSuccessStatusCode();
        await response.Content.CopyToAsync(Stream.Null);
    }

    /// <summary>What a loop came to; times in microseconds.</summary>
    internal sealed record Load(double PerSecond, double P50, double P99, double BytesPerCall);
}
