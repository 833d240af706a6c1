using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Dialing;
using MeshClient.Forwarders;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks;

/// <summary>
/// Bytes over a connection into the mesh against a bare pair of <see cref="SslStream"/> with the same certificates: time of an
/// exchange of one byte, and bytes a second one way. Client and server in one process, over loopback.
/// </summary>
internal static class TcpBenchmark
{
    private const int Rounds = 15;
    private const int Exchanges = 2000;
    private const long BulkBytes = 96L << 20;
    private const int ChunkBytes = 64 * 1024;

    // The first byte of a connection says what comes.
    private const byte Echo = 1;
    private const byte Sink = 2;

    public static async Task<int> RunAsync()
    {
        using var controlPlane = new InMemoryControlPlane();
        using var bareServer = new BareServer(controlPlane.Authority);
        using var plainServer = new BareServer(null);
        controlPlane.AddInstance(ServiceName.Parse("bare"), "127.0.0.1", bareServer.Port);
        foreach (var service in new[] { "raw", "exposed" })
        {
            controlPlane.Allow("web", service);
        }

        await using var raw = await StartServerAsync(controlPlane, "raw", builder => builder.WebHost.ConfigureKestrel(
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listener => listener.UseMesh().Run(ServeAsync))));
        await using var exposed = await StartServerAsync(
            controlPlane, "exposed", builder => builder.Services.AddMeshExpose($"127.0.0.1:{plainServer.Port}", options => options.CheckInterval = TimeSpan.Zero));
        using var app = await StartAppAsync(controlPlane);
        var dialer = app.Services.GetRequiredService<IMeshDialer>();
        var forwarder = app.Services.GetServices<IHostedService>().OfType<ForwarderHostedService>().Single();
        var bareLeaf = controlPlane.Authority.IssueLeaf(ServiceName.Parse("web"));
        var bareContext = SslStreamCertificateContext.Create(bareLeaf.Certificate, [.. bareLeaf.Intermediates], offline: true);
        var ways = new (string Name, Func<Task<Stream>> ConnectAsync)[]
        {
            ("bare SslStream to bare SslStream", () => ConnectBareAsync(bareServer.Port, bareContext, controlPlane.Authority.Bundle.Roots)),
            ("dialed to bare SslStream", async () => await dialer.ConnectAsync("bare")),
            ("dialed to a raw mesh port", async () => await dialer.ConnectAsync("raw")),
            ("forwarder, mesh, exposed program", () => ConnectPlainAsync(forwarder.EndPointOf("exposed"))),
        };
        await WaitUntilServedAsync(ways);
        var opening = ways.Select(_ => new List<double>()).ToArray();
        var exchange = ways.Select(_ => new List<double>()).ToArray();
        var bulk = ways.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            for (var way = 0; way < ways.Length; way++)
            {
                opening[way].Add(await OpenAsync(ways[way].ConnectAsync));
                exchange[way].Add(await ExchangeAsync(ways[way].ConnectAsync));
                bulk[way].Add(await SendAsync(ways[way].ConnectAsync));
            }
        }

        Print.Machine();
        Console.WriteLine($"{Rounds} rounds, the ways in turn; medians, and medians of the ratios to the first of the same round.");
        Console.WriteLine();
        Console.WriteLine("| way | open us | ratio | exchange of 1 B, us | ratio | MB/s one way | ratio |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|");
        for (var way = 0; way < ways.Length; way++)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {ways[way].Name} | {Measurement.Median(opening[way]):F0} | {Ratio(opening, way):F2} | {Measurement.Median(exchange[way]):F1} | {Ratio(exchange, way):F2} | {Measurement.Median(bulk[way]):F0} | **{Ratio(bulk, way):F2}** |"));
        }

        return 0;
    }

    private static double Ratio(List<double>[] samples, int way) => Measurement.Median(samples[way].Zip(samples[0], (own, first) => own / first));

    private static async Task WaitUntilServedAsync((string Name, Func<Task<Stream>> ConnectAsync)[] ways)
    {
        foreach (var (_, connectAsync) in ways)
        {
            for (var tries = 0; ; tries++)
            {
                try
                {
                    await ExchangeAsync(connectAsync);
                    break;
                }
                catch (Exception e) when (e is IOException or HttpRequestException && tries < 200)
                {
                    // The intentions or the registration are on their way.
                    await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
                }
            }

            await SendAsync(connectAsync);
        }
    }

    // To the first byte of an answer, since TLS 1.3 lets the client think that it is done earlier than the server.
    private static async Task<double> OpenAsync(Func<Task<Stream>> connectAsync)
    {
        const int Times = 20;
        var one = new byte[] { Echo };
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < Times; i++)
        {
            await using var stream = await connectAsync();
            await stream.WriteAsync(one);
            await stream.WriteAsync(one);
            await stream.ReadExactlyAsync(one);
        }

        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / Times;
    }

    private static async Task<double> ExchangeAsync(Func<Task<Stream>> connectAsync)
    {
        await using var stream = await connectAsync();
        var one = new byte[] { Echo };
        await stream.WriteAsync(one);
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < Exchanges; i++)
        {
            await stream.WriteAsync(one);
            await stream.ReadExactlyAsync(one);
        }

        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / Exchanges;
    }

    private static async Task<double> SendAsync(Func<Task<Stream>> connectAsync)
    {
        await using var stream = await connectAsync();
        await stream.WriteAsync(new[] { Sink });
        await stream.WriteAsync(BitConverter.GetBytes(BulkBytes));
        var chunk = new byte[ChunkBytes];
        var started = Stopwatch.GetTimestamp();
        for (var left = BulkBytes; left > 0; left -= chunk.Length)
        {
            await stream.WriteAsync(chunk);
        }

        await stream.ReadExactlyAsync(new byte[1]);
        return BulkBytes / Stopwatch.GetElapsedTime(started).TotalMicroseconds;
    }

    // The same on every side.
    private static async Task ServeAsync(Stream stream)
    {
        var buffer = new byte[ChunkBytes];
        if (await stream.ReadAtLeastAsync(buffer.AsMemory(0, 1), 1, throwOnEndOfStream: false) == 0)
        {
            return;
        }

        if (buffer[0] == Echo)
        {
            while (await stream.ReadAsync(buffer) is > 0 and var read)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read));
            }

            return;
        }

        await stream.ReadExactlyAsync(buffer.AsMemory(0, sizeof(long)));
        for (var left = BitConverter.ToInt64(buffer); left > 0;)
        {
            left -= await stream.ReadAsync(buffer);
        }

        await stream.WriteAsync(buffer.AsMemory(0, 1));
    }

    private static async Task ServeAsync(ConnectionContext connection)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        var first = await input.ReadAsync();
        if (first.Buffer.IsEmpty)
        {
            return;
        }

        var what = first.Buffer.FirstSpan[0];
        input.AdvanceTo(first.Buffer.GetPosition(1));
        var left = BulkBytes + sizeof(long);
        while (await input.ReadAsync() is var result && !(result.IsCompleted && result.Buffer.IsEmpty))
        {
            if (what == Echo)
            {
                foreach (var part in result.Buffer)
                {
                    await output.WriteAsync(part);
                }
            }
            else if ((left -= result.Buffer.Length) == 0)
            {
                await output.WriteAsync(new byte[1]);
            }

            input.AdvanceTo(result.Buffer.End);
        }
    }

    private static async Task<Stream> ConnectBareAsync(int port, SslStreamCertificateContext context, IEnumerable<X509Certificate2> roots)
    {
        var tls = new SslStream(await ConnectPlainAsync(new IPEndPoint(IPAddress.Loopback, port)));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "bare",
            ClientCertificateContext = context,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = Trust(roots, "1.3.6.1.5.5.7.3.1"),
            // As in the mesh: the chain counts, and no name of a host.
            RemoteCertificateValidationCallback = (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None,
        });
        return tls;
    }

    private static X509ChainPolicy Trust(IEnumerable<X509Certificate2> roots, string usage)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(new Oid(usage));
        foreach (var root in roots)
        {
            policy.CustomTrustStore.Add(root);
        }

        return policy;
    }

    private static async Task<Stream> ConnectPlainAsync(IPEndPoint endPoint)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endPoint);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static async Task<WebApplication> StartServerAsync(InMemoryControlPlane controlPlane, string service, Action<WebApplicationBuilder> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Mesh:Service"] = service;
        builder.Configuration["Mesh:Inbound:Address"] = "127.0.0.1:0";
        builder.Configuration["Mesh:Registration:DrainDelay"] = "00:00:00";
        builder.Configuration["Mesh:Registration:DrainTimeout"] = "00:00:00";
        AddControlPlane(builder.Services, controlPlane);
        builder.Services.AddMeshInbound();
        configure(builder);
        var app = builder.Build();
        await app.StartAsync();
        return app;
    }

    private static async Task<IHost> StartAppAsync(InMemoryControlPlane controlPlane)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        AddControlPlane(builder.Services, controlPlane);
        builder.Services.AddMeshClient(options => options.Service = "web");
        builder.Services.AddMeshForwarder("exposed", "127.0.0.1:0");
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    private static void AddControlPlane(IServiceCollection services, InMemoryControlPlane controlPlane)
    {
        services.AddSingleton<IInstanceSource>(controlPlane);
        services.AddSingleton<IIntentionSource>(controlPlane);
        services.AddSingleton<ILeafCertificateSource>(controlPlane);
        services.AddSingleton<ITrustBundleSource>(controlPlane);
        services.AddSingleton<IServiceRegistrar>(controlPlane);
    }

    /// <summary>A server of nothing but sockets, with mutual TLS where there is an authority.</summary>
    private sealed class BareServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly SslServerAuthenticationOptions? _tls;

        public BareServer(TestCertificateAuthority? authority)
        {
            if (authority is not null)
            {
                var leaf = authority.IssueLeaf(ServiceName.Parse("bare"));
                _tls = new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = SslStreamCertificateContext.Create(leaf.Certificate, [.. leaf.Intermediates], offline: true),
                    ClientCertificateRequired = true,
                    CertificateChainPolicy = Trust(authority.Bundle.Roots, "1.3.6.1.5.5.7.3.2"),
                    RemoteCertificateValidationCallback = (_, _, _, errors) => errors == SslPolicyErrors.None,
                };
            }

            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    _ = ServeAsync(await _listener.AcceptSocketAsync());
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // It is over.
            }
        }

        private async Task ServeAsync(Socket socket)
        {
            socket.NoDelay = true;
            await using var plain = new NetworkStream(socket, ownsSocket: true);
            try
            {
                if (_tls is null)
                {
                    await TcpBenchmark.ServeAsync(plain);
                    return;
                }

                await using var tls = new SslStream(plain);
                await tls.AuthenticateAsServerAsync(_tls);
                await TcpBenchmark.ServeAsync(tls);
            }
            catch (IOException)
            {
                // The client is gone.
            }
        }
    }
}
