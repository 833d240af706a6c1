using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Identity;
using MeshClient.Testing;
using MeshClient.TestSupport;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// Callers that come back with a session of before, or ask for another handshake in the middle of a connection. Driven by
/// openssl, which takes a session of a file and does what the platform's own client never would.
/// </summary>
public sealed class SessionAttackTests : IDisposable
{
    private const string Get = "GET /public/a HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n";
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mesh-session-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Resume_AfterADenial_IsDeniedLikeANewSession(string version)
    {
        await using var service = await AttackedService.StartAsync();
        var files = WriteIdentity(service.Authority.IssueLeaf(InboundTestHost.Web));
        await using var held = await HoldSessionsAsync(service);
        Assert.Contains("HTTP/1.1 200", (await ConnectAsync(service, files, version, "-sess_out")).Text, StringComparison.Ordinal);

        service.Host.ControlPlane.Deny("web", "orders");
        await Eventually.HoldsAsync(async () => (await service.ExchangeAsync(Get)).StartsWith("HTTP/1.1 403", StringComparison.Ordinal));
        var resumed = await ConnectAsync(service, files, version, "-sess_in");

        Assert.Contains("Reused, TLSv1", resumed.Text, StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 403", resumed.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("HTTP/1.1 200", resumed.Text, StringComparison.Ordinal);
        await held.DisposeAsync();
        await service.AssertNothingHeldAsync();
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Resume_AfterTheCallersRootWasWithdrawn_IsRefused(string version)
    {
        using var authority = new TestCertificateAuthority();
        var ofOldRoot = authority.IssueLeaf(InboundTestHost.Web);
        authority.Rotate(crossSign: false);
        await using var service = await AttackedService.StartAsync(authority: authority);
        var files = WriteIdentity(ofOldRoot);
        await using var held = await HoldSessionsAsync(service);
        Assert.Contains("HTTP/1.1 200", (await ConnectAsync(service, files, version, "-sess_out")).Text, StringComparison.Ordinal);
        Assert.Contains("Reused, TLSv1", (await ConnectAsync(service, files, version, "-sess_in")).Text, StringComparison.Ordinal);

        // The server's own certificate stays as it is, and with it the keys of its sessions: all that has changed is whom it believes.
        service.Host.ControlPlane.RetireOldRoots();
        await Eventually.HoldsAsync(async () => await service.TryCallAsync(MeshCaller.ContextOf(ofOldRoot)) is null);
        // Only now, since the calls before may have been served.
        var served = service.Served.Count;
        var resumed = await ConnectAsync(service, files, version, "-sess_in");

        Assert.DoesNotContain("HTTP/1.1", resumed.Text, StringComparison.Ordinal);
        // Counted after the caller has been told.
        await Eventually.HoldsAsync(() => service.HandshakeFailures("untrusted") >= 2);
        Assert.Equal(served, service.Served.Count);
        await held.DisposeAsync();
        await service.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Renegotiate_InTheMiddleOfAConnection_EndsIt()
    {
        await using var service = await AttackedService.StartAsync();
        var files = WriteIdentity(service.Authority.IssueLeaf(InboundTestHost.Web));
        // A line that begins with R tells openssl to ask for another handshake.
        var run = await OpenSslCommand.RunAsync("R\n" + Get, Arguments(service, files, "-tls1_2"));

        Assert.Contains("RENEGOTIATING", run.Text, StringComparison.Ordinal);
        Assert.NotEqual(0, run.ExitCode);
        Assert.DoesNotContain("HTTP/1.1", run.Text, StringComparison.Ordinal);
        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
        await service.AssertCallIsServedAsync();
    }

    // The runtime forgets the keys of a listener's sessions while nobody is connected to it and others, of other tests, are busy.
    private static Task<SslStream> HoldSessionsAsync(AttackedService service) => service.AuthenticateAsync(service.GoodCertificate());

    private async Task<OpenSslRun> ConnectAsync(AttackedService service, (string Leaf, string Key) files, string version, string session) =>
        await OpenSslCommand.RunAsync(
            Get, [.. Arguments(service, files, version), "-ign_eof", session, Path.Combine(_directory.FullName, "session")]);

    private static IEnumerable<string> Arguments(AttackedService service, (string Leaf, string Key) files, string version) =>
        ["s_client", "-connect", $"127.0.0.1:{service.Host.MeshPort}", "-cert", files.Leaf, "-key", files.Key, version];

    private (string Leaf, string Key) WriteIdentity(LeafCertificate leaf)
    {
        using var key = leaf.Certificate.GetECDsaPrivateKey()!;
        var (certificate, secret) = (Path.Combine(_directory.FullName, "leaf"), Path.Combine(_directory.FullName, "key"));
        File.WriteAllText(certificate, leaf.Certificate.ExportCertificatePem());
        File.WriteAllText(secret, key.ExportPkcs8PrivateKeyPem());
        return (certificate, secret);
    }
}
