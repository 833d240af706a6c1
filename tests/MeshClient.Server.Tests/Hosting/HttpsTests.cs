using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.Hosting;

/// <summary>HTTPS with real handshakes, judged by the platform.</summary>
public sealed class HttpsTests
{
    [Fact]
    public async Task Https_OfTheOwnAuthority_IsTrustedByWhoHasTheRoots()
    {
        await using var server = await StartAsync();
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem((await server.GetAsync("/v1/connect/ca/roots?pem=true")).Body);
        using var http = Client(roots);
        foreach (var host in (string[])["127.0.0.1", "localhost"])
        {
            var nodes = await http.GetFromJsonAsync<JsonElement>(At(server, host), TestServer.Cancellation);
            Assert.Single(nodes.EnumerateArray());
        }

        using var stranger = Client([]);
        await Assert.ThrowsAsync<HttpRequestException>(() => stranger.GetAsync(At(server, "localhost"), TestServer.Cancellation));
    }

    [Fact]
    public async Task Https_OfTheOwnAuthority_IsForItsNamesOnlyAndForNobodyInTheMesh()
    {
        await using var server = await StartAsync(options => options.Https.ServerNames.Add("mesh.example"));
        using var shown = await ShownAsync(server);
        Assert.True(shown.MatchesHostname("mesh.example"));
        Assert.True(shown.MatchesHostname("127.0.0.1"));
        Assert.False(shown.MatchesHostname("other.example"));
        Assert.False(MeshClient.Core.Identity.SpiffeCertificate.TryReadId(shown, out _, out _));
    }

    [Fact]
    public async Task Https_AfterARotationAndWithTime_ShowsANewCertificate()
    {
        await using var server = await StartAsync();
        using var first = await ShownAsync(server);
        using var same = await ShownAsync(server);
        Assert.Equal(first.Thumbprint, same.Thumbprint);
        await server.MustPutAsync("/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"PrivateKeyBits":384}}""");
        using var rotated = await ShownAsync(server);
        Assert.NotEqual(first.Thumbprint, rotated.Thumbprint);
        server.Time.Advance(TimeSpan.FromHours(48));
        using var renewed = await ShownAsync(server);
        Assert.NotEqual(rotated.Thumbprint, renewed.Thumbprint);
    }

    [Fact]
    public async Task Https_WithAGivenCertificate_ShowsItAndTheNextOne()
    {
        using var folder = new TemporaryFolder();
        var (certificatePath, keyPath) = (Path.Combine(folder.Path, "tls.crt"), Path.Combine(folder.Path, "tls.key"));
        var first = Write(certificatePath, keyPath, "a");
        await using var server = await StartAsync(options => (options.Https.CertificatePath, options.Https.PrivateKeyPath) = (certificatePath, keyPath));
        using (var shown = await ShownAsync(server))
        {
            Assert.Equal(first, shown.Thumbprint);
        }

        await File.WriteAllTextAsync(certificatePath, "half written", TestServer.Cancellation);
        using (var shown = await ShownAsync(server))
        {
            Assert.Equal(first, shown.Thumbprint);
        }

        var second = Write(certificatePath, keyPath, "b");
        File.SetLastWriteTimeUtc(certificatePath, new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        using (var shown = await ShownAsync(server))
        {
            Assert.Equal(second, shown.Thumbprint);
        }
    }

    [Fact]
    public async Task Https_WithAListenAddressOfItsOwnOnly_IsNotServedInPlain()
    {
        await using var server = await TestServer.StartAsync(options =>
        {
            options.ListenAddress = null;
            options.Https.ListenAddress = new Uri("https://127.0.0.1:0");
        });
        Assert.Equal(Uri.UriSchemeHttps, server.Address.Scheme);
    }

    private static Task<TestServer> StartAsync(Action<MeshServerOptions>? configure = null) => TestServer.StartAsync(
        options =>
        {
            options.Https.ListenAddress = new Uri("https://127.0.0.1:0");
            configure?.Invoke(options);
        },
        new FakeTimeProvider(TimeProvider.System.GetUtcNow()));

    private static Uri At(TestServer server, string host) => new($"https://{host}:{server.HttpsAddress!.Port}/v1/catalog/nodes");

    private static HttpClient Client(X509Certificate2Collection roots)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy },
            ConnectCallback = async (context, cancellation) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        {
            Timeout = TestServer.Limit,
        };
    }

    private static async Task<X509Certificate2> ShownAsync(TestServer server)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, server.HttpsAddress!.Port, TestServer.Cancellation);
        await using var tls = new SslStream(tcp.GetStream(), false, (_, certificate, _, _) => certificate is not null);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost" }, TestServer.Cancellation);
        return X509CertificateLoader.LoadCertificate(tls.RemoteCertificate!.Export(X509ContentType.Cert));
    }

    private static string Write(string certificatePath, string keyPath, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(certificatePath, certificate.ExportCertificatePem());
        return certificate.Thumbprint;
    }
}
