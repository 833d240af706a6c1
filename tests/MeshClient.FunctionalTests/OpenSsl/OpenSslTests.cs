using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Server;
using MeshClient.Testing;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.OpenSsl;

/// <summary>
/// What a TLS implementation that shares no code with our verification makes of our certificates and listeners: it accepts them,
/// also when it has not heard of the newest root yet, and refuses what it should; and we accept and refuse it alike.
/// </summary>
public sealed class OpenSslTests : IAsyncLifetime
{
    private const string Ok = "Verify return code: 0 (ok)";
    private readonly MeshServer _server = new(new MeshServerOptions
    {
        ListenAddress = new Uri("http://127.0.0.1:0"),
        RotationSpread = TimeSpan.Zero,
    });

    private PemFolder? _files;

    private PemFolder Files => _files!;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _files = new PemFolder(_server.Address!);
    }

    public async ValueTask DisposeAsync()
    {
        _files?.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("sslserver")]
    [InlineData("sslclient")]
    public async Task Verify_LeafBeforeAndAfterRotations_LeadsToOldRootsAndNewOnes(string purpose)
    {
        var first = await Files.RootsAsync();
        Assert.Contains(": OK", (await VerifyAsync(await Files.IdentityAsync("web"), first, "-purpose", purpose)).Text, StringComparison.Ordinal);

        foreach (var (type, bits) in new[] { ("rsa", 2048), ("ec", 384), ("ec", 256) })
        {
            await RotateAsync(type, bits);
            var leaf = await Files.IdentityAsync("web");

            Assert.NotNull(leaf.Rest);
            Assert.Equal(0, (await VerifyAsync(leaf, await Files.RootsAsync(), "-purpose", purpose)).ExitCode);
            // Whoever knows the first root only gets there over what is sent along; and not without it.
            Assert.Equal(0, (await VerifyAsync(leaf, first, "-purpose", purpose)).ExitCode);
            AssertRefused(await VerifyAsync(leaf with { Rest = null }, first), "unable to get local issuer certificate");
        }
    }

    [Fact]
    public async Task Verify_WrongRootTimeOrPurpose_IsRefused()
    {
        var leaf = await Files.IdentityAsync("web");
        var roots = await Files.RootsAsync();
        using var stranger = new TestCertificateAuthority();
        var now = TimeProvider.System.GetUtcNow();

        Assert.Equal(0, (await VerifyAsync(leaf, roots)).ExitCode);
        AssertRefused(
            await VerifyAsync(leaf, Files.Write("stranger", stranger.Bundle.Roots[0].ExportCertificatePem())), "unable to get local issuer certificate");
        AssertRefused(await VerifyAsync(leaf, roots, "-attime", Seconds(now.AddDays(4))), "certificate has expired");
        AssertRefused(await VerifyAsync(leaf, roots, "-attime", Seconds(now.AddHours(-1))), "certificate is not yet valid");
        foreach (var purpose in new[] { "smimesign", "timestampsign", "crlsign" })
        {
            AssertRefused(await VerifyAsync(leaf, roots, "-purpose", purpose), "certificate purpose");
        }
    }

    [Theory]
    [InlineData("-tls1_2", "TLSv1.2")]
    [InlineData("-tls1_3", "TLSv1.3")]
    public async Task Connect_ByOpenSsl_VerifiesOurListenerAndIsServed(string version, string protocol)
    {
        var first = await Files.RootsAsync();
        await using var mesh = await StartOrdersAsync();
        var port = await mesh.FindOrdersPortAsync();

        AssertServed(await ConnectAsync(port, first, await Files.IdentityAsync(mesh.Web), version), mesh, protocol);

        await RotateAsync("rsa", 2048);
        var issuer = (await new ConnectProxy.CertificateWatch(_server.Address!, "watch").ActiveRootAsync()).Replace("CN=", "CN = ", StringComparison.Ordinal);
        await MeshHosts.WaitUntilAsync(async () =>
            (await ConnectAsync(port, first, await Files.IdentityAsync(mesh.Web), version)).Text.Contains($"i:{issuer}", StringComparison.Ordinal));
        // Old roots and new ones both do, since the new root signed by the old one is sent along.
        var run = await ConnectAsync(port, first, await Files.IdentityAsync(mesh.Web), version);
        AssertServed(run, mesh, protocol);
        Assert.Equal(2, run.Text.Split("BEGIN CERTIFICATE").Length - 1);
        AssertServed(await ConnectAsync(port, await Files.RootsAsync(), await Files.IdentityAsync(mesh.Web), version), mesh, protocol);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Connect_WithNoneOrAForeignCertificate_IsNotServed(string version)
    {
        await using var mesh = await StartOrdersAsync();
        var port = await mesh.FindOrdersPortAsync();
        var roots = await Files.RootsAsync();
        using var stranger = new TestCertificateAuthority();
        var foreign = stranger.IssueLeaf(ServiceName.Parse(mesh.Web));
        using var key = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(foreign.Certificate)!;
        var foreigner = Files.Identity("foreign", foreign.Certificate.ExportCertificatePem(), key.ExportECPrivateKeyPem());

        AssertNotServed(await ConnectAsync(port, roots, null, version));
        AssertNotServed(await ConnectAsync(port, roots, foreigner, version));
        AssertServed(await ConnectAsync(port, roots, await Files.IdentityAsync(mesh.Web), version), mesh, string.Empty);
    }

    [Fact]
    public async Task Connect_ToAListenerOfAnotherMesh_IsBrokenOffByOpenSsl()
    {
        await using var mesh = await StartOrdersAsync();
        using var stranger = new TestCertificateAuthority();

        var run = await ConnectAsync(
            await mesh.FindOrdersPortAsync(), Files.Write("stranger", stranger.Bundle.Roots[0].ExportCertificatePem()), await Files.IdentityAsync(mesh.Web), "-tls1_3");

        AssertNotServed(run);
        Assert.Contains("verify error", run.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-tls1_2", false)]
    [InlineData("-tls1_3", false)]
    [InlineData("-tls1_3", true)]
    public async Task Call_ToOpenSsl_IsAcceptedWithOurCertificateAndOnlyFromTheService(string version, bool isAnother)
    {
        var first = await Files.RootsAsync();
        await using var mesh = new MeshHosts(_server.Address!);
        var client = await mesh.StartWebAsync(KeyValuePair.Create<string, string?>("Mesh:Defaults:MaxRetries", "0"));
        // So that there is something to send along: the server at the other end believes in the first root alone.
        await RotateAsync("rsa", 2048);
        var identity = await Files.IdentityAsync(isAnother ? "another" : mesh.Orders);
        var port = FreePorts.Find(1)[0];
        using var process = OpenSslCommand.Start([
            "s_server", "-accept", $"127.0.0.1:{port}", "-cert", identity.Leaf, "-key", identity.Key, .. Option("-cert_chain", identity.Rest),
            "-CAfile", first, "-Verify", "3", "-verify_return_error", version, "-www"]);
        try
        {
            _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, MeshHosts.Cancellation);
            _ = process.StandardError.BaseStream.CopyToAsync(Stream.Null, MeshHosts.Cancellation);
            await MeshHosts.WaitUntilAsync(() => FreePorts.IsListenedOnAsync(port, MeshHosts.Cancellation));
            await RegisterAsync(mesh.Orders, port);
            if (isAnother)
            {
                var failure = await Assert.ThrowsAsync<MeshCallException>(() => client.GetStringAsync(new Uri("/", UriKind.Relative), MeshHosts.Cancellation));
                Assert.Contains("svc/another", failure.ToString(), StringComparison.Ordinal);
                return;
            }

            var page = await client.GetStringAsync(new Uri("/", UriKind.Relative), MeshHosts.Cancellation);
            Assert.Contains(Ok, page, StringComparison.Ordinal);
            Assert.Contains("URI:spiffe://", page, StringComparison.Ordinal);
            Assert.Contains($"/svc/{mesh.Web}", page, StringComparison.Ordinal);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(MeshHosts.Cancellation);
        }
    }

    private static string Seconds(DateTimeOffset time) => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    private static void AssertRefused(OpenSslRun run, string reason)
    {
        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(reason, run.Text, StringComparison.Ordinal);
    }

    private static void AssertServed(OpenSslRun run, MeshHosts mesh, string protocol)
    {
        Assert.Contains(Ok, run.Text, StringComparison.Ordinal);
        Assert.Contains(protocol, run.Text, StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 200 OK", run.Text, StringComparison.Ordinal);
        Assert.Contains($"/svc/{mesh.Web}", run.Text, StringComparison.Ordinal);
    }

    private static void AssertNotServed(OpenSslRun run)
    {
        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains("CONNECTED", run.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("HTTP/1.1", run.Text, StringComparison.Ordinal);
    }

    private static Task<OpenSslRun> VerifyAsync(PemIdentity leaf, string roots, params IEnumerable<string> arguments) =>
        OpenSslCommand.RunAsync(null, ["verify", "-no-CApath", "-no-CAstore", "-CAfile", roots, .. Option("-untrusted", leaf.Rest), .. arguments, leaf.Leaf]);

    private static Task<OpenSslRun> ConnectAsync(int port, string roots, PemIdentity? identity, string version) => OpenSslCommand.RunAsync(
        "GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n",
        [
            "s_client", "-connect", $"127.0.0.1:{port}", "-CAfile", roots, "-verify_return_error", "-showcerts", "-ign_eof", version,
            .. identity is null ? (string[])[] : ["-cert", identity.Leaf, "-key", identity.Key, .. Option("-cert_chain", identity.Rest)],
        ]);

    private static string[] Option(string name, string? file) => file is null ? [] : [name, file];

    private async Task<MeshHosts> StartOrdersAsync()
    {
        var mesh = new MeshHosts(_server.Address!);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        return mesh;
    }

    private async Task RegisterAsync(string service, int port)
    {
        using var http = new HttpClient { BaseAddress = _server.Address };
        var definition = new JsonObject
        {
            ["Name"] = service,
            ["Address"] = "127.0.0.1",
            ["Port"] = port,
            ["Connect"] = new JsonObject { ["Native"] = true },
        };
        using var response = await http.PutAsJsonAsync("/v1/agent/service/register", definition, MeshHosts.Cancellation);
        response.EnsureSuccessStatusCode();
    }

    private async Task RotateAsync(string keyType, int keyBits)
    {
        using var http = new HttpClient { BaseAddress = _server.Address };
        var configuration = new JsonObject
        {
            ["Provider"] = "consul",
            ["Config"] = new JsonObject { ["PrivateKeyType"] = keyType, ["PrivateKeyBits"] = keyBits },
        };
        using var response = await http.PutAsJsonAsync("/v1/connect/ca/configuration", configuration, MeshHosts.Cancellation);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(MeshHosts.Cancellation));
    }
}
