using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.AspNetCore.Listener;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks;

/// <summary>
/// A connection from nothing to the first byte of the other side, which comes when both have verified each other: our client and
/// our listener against a bare SslStream and Kestrel's own TLS, with the same certificates, contexts and chain policy. One after the
/// other, both ends in this process.
/// </summary>
internal static class HandshakeBenchmark
{
    private const int WarmUp = 400;
    private static readonly Oid ServerUse = new(LeafBlueprint.ServerAuthentication);
    private static readonly Oid ClientUse = new(LeafBlueprint.ClientAuthentication);
    private static int _hosts;

    public static async Task<int> RunAsync(string[] args)
    {
        var handshakes = TransportBenchmark.Option(args, "--handshakes", 3000);
        Print.Machine();
        using var controlPlane = new InMemoryControlPlane();
        await using var mesh = BenchmarkMesh.Create(controlPlane, network: null);
        var leaf = controlPlane.Authority.IssueLeaf(ServiceName.Parse("web"));
        var context = IdentitySnapshot.ContextOf(leaf);
        await using var app = await StartAsync(controlPlane);
        var (ours, bare) = (Port(app, "ours"), Port(app, "bare"));
        var roots = controlPlane.Authority.Bundle;
        var id = controlPlane.Authority.IdOf(BenchmarkMesh.Orders);

        Console.WriteLine($"{handshakes} handshakes of each, in turn; medians.");
        Console.WriteLine();
        Console.WriteLine("| client | listener | session | bare us | ours us | added us | ratio |");
        Console.WriteLine("|---|---|---|---:|---:|---:|---:|");
        foreach (var isResumed in (bool[])[false, true])
        {
            Task Bare(int port) => BareAsync(port, context, roots, $"{Host(isResumed)}.{port}");
            Task Ours(int port) => OursAsync(mesh, port, id, Host(isResumed));
            await CompareAsync("ours", "bare", isResumed, handshakes, () => Bare(bare), () => Ours(bare));
            await CompareAsync("bare", "ours", isResumed, handshakes, () => Bare(bare), () => Bare(ours));
            await CompareAsync("ours", "ours", isResumed, handshakes, () => Bare(bare), () => Ours(ours));
        }

        return 0;
    }

    // A session is kept per name, so a name of its own makes a new one.
    private static string Host(bool isResumed) => isResumed ? "dc1" : $"dc{++_hosts}";

    private static async Task CompareAsync(
        string client, string listener, bool isResumed, int handshakes, Func<Task> bare, Func<Task> ours)
    {
        for (var i = 0; i < WarmUp; i++)
        {
            await bare();
            await ours();
        }

        var first = new List<double>(handshakes);
        var second = new List<double>(handshakes);
        for (var i = 0; i < handshakes; i++)
        {
            // Who goes first changes, so that neither always gets the warmer machine.
            if (i % 2 == 0)
            {
                first.Add(await TimeAsync(bare));
                second.Add(await TimeAsync(ours));
            }
            else
            {
                second.Add(await TimeAsync(ours));
                first.Add(await TimeAsync(bare));
            }
        }

        var (own, other) = (Measurement.Median(second), Measurement.Median(first));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {client} | {listener} | {(isResumed ? "resumed" : "new")} | {other:F0} | {own:F0} | {own - other:F0} | **{own / other:F3}** |"));
    }

    private static async Task<double> TimeAsync(Func<Task> handshake)
    {
        var started = Stopwatch.GetTimestamp();
        await handshake();
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds;
    }

    private static async Task OursAsync(BenchmarkMesh mesh, int port, SpiffeId id, string datacenter)
    {
        var connector = mesh.Connector(new ServiceInstance
        {
            Id = new InstanceId("orders-1"),
            Service = BenchmarkMesh.Orders,
            Identity = id,
            Datacenter = datacenter,
            Endpoints = [new InstanceEndpoint(null, "127.0.0.1", port, InstanceSecurity.Mesh)],
        });
        await using var stream = await connector.ConnectAsync(CancellationToken.None);
        await stream.ReadExactlyAsync(new byte[1]);
    }

    private static async Task BareAsync(int port, SslStreamCertificateContext certificate, TrustBundle roots, string host)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", port);
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true), leaveInnerStreamOpen: false);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = host,
            ClientCertificateContext = certificate,
            CertificateChainPolicy = Policy(roots, ServerUse),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            RemoteCertificateValidationCallback = static (_, _, _, errors) => (errors & SslPolicyErrors.RemoteCertificateChainErrors) == 0,
        });
        await tls.ReadExactlyAsync(new byte[1]);
    }

    private static X509ChainPolicy Policy(TrustBundle bundle, Oid use)
    {
        var policy = TransportBenchmark.Policy(bundle.Roots[0]);
        policy.ApplicationPolicy.Add(use);
        return policy;
    }

    private static int Port(WebApplication app, string name) => app.Services.GetRequiredService<Ports>().Listeners[name].IPEndPoint!.Port;

    private static async Task<WebApplication> StartAsync(InMemoryControlPlane controlPlane)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IInstanceSource>(controlPlane);
        builder.Services.AddSingleton<IIntentionSource>(controlPlane);
        builder.Services.AddSingleton<ILeafCertificateSource>(controlPlane);
        builder.Services.AddSingleton<ITrustBundleSource>(controlPlane);
        builder.Services.AddSingleton<IServiceRegistrar>(controlPlane);
        builder.Configuration["Mesh:Service"] = BenchmarkMesh.Orders.Value;
        builder.Configuration["Mesh:Inbound:Address"] = "127.0.0.1:0";
        builder.Services.AddMeshInbound();
        var ports = new Ports();
        builder.Services.AddSingleton(ports);
        var certificate = IdentitySnapshot.ContextOf(controlPlane.Authority.IssueLeaf(BenchmarkMesh.Orders));
        var roots = controlPlane.Authority.Bundle;
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listener =>
            {
                ports.Listeners["ours"] = listener;
                kestrel.ApplicationServices.GetRequiredService<MeshTlsPolicy>().Use(listener, protocols: null);
                listener.Run(GreetAsync);
            });
            kestrel.Listen(IPAddress.Loopback, 0, listener =>
            {
                ports.Listeners["bare"] = listener;
                listener.UseHttps(new TlsHandshakeCallbackOptions
                {
                    OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                    {
                        ServerCertificateContext = certificate,
                        ClientCertificateRequired = true,
                        CertificateChainPolicy = Policy(roots, ClientUse),
                        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                        AllowRenegotiation = false,
                        RemoteCertificateValidationCallback = static (_, _, _, errors) => errors == SslPolicyErrors.None,
                    }),
                });
                listener.Run(GreetAsync);
            });
        });
        var app = builder.Build();
        await app.StartAsync();
        return app;
    }

    private static async Task GreetAsync(ConnectionContext connection)
    {
        await connection.Transport.Output.WriteAsync("x"u8.ToArray());
        await connection.Transport.Input.ReadAsync();
    }

    private sealed class Ports
    {
        public Dictionary<string, ListenOptions> Listeners { get; } = [];
    }
}
