using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks;

/// <summary>
/// The process on the other side: plain Kestrel with mutual TLS, the same for both clients. Reads its certificate, key and
/// root as one PEM from standard input, writes its port, and ends when the input does.
/// </summary>
internal static class TransportServer
{
    /// <summary>The line that ends the PEM.</summary>
    public const string EndOfPem = "END";

    public static async Task<int> RunAsync()
    {
        var pem = new System.Text.StringBuilder();
        while (await Console.In.ReadLineAsync() is { } line && line != EndOfPem)
        {
            pem.AppendLine(line);
        }

        var text = pem.ToString();
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(text);
        var root = chain[1];
        var context = SslStreamCertificateContext.Create(X509Certificate2.CreateFromPem(text, text), null, offline: true);
        var bodies = new Dictionary<int, byte[]> { [128] = new byte[128], [16384] = new byte[16384] };

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(
            new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = context,
                    ClientCertificateRequired = true,
                    CertificateChainPolicy = TransportBenchmark.Policy(root),
                    RemoteCertificateValidationCallback = (_, _, _, errors) => errors == SslPolicyErrors.None,
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
                }),
            })));
        await using var app = builder.Build();
        app.Run(context =>
        {
            var body = bodies[int.Parse(context.Request.Path.Value.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture)];
            context.Response.ContentLength = body.Length;
            return context.Response.Body.WriteAsync(body, 0, body.Length);
        });
        await app.StartAsync();
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        Console.WriteLine(new Uri(address).Port);
        await Console.In.ReadToEndAsync();
        return 0;
    }
}
