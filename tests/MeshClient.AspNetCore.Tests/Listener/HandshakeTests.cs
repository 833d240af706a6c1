using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Listener;

public sealed class HandshakeTests
{
    // By its number: the framework's own name for it is obsolete.
    private static readonly SslProtocols Tls11 = Enum.Parse<SslProtocols>("Tls11");

    [Theory]
    [InlineData(LeafFlaw.Expired, "untrusted")]
    [InlineData(LeafFlaw.NotYetValid, "untrusted")]
    [InlineData(LeafFlaw.NoName, "identity")]
    [InlineData(LeafFlaw.HostNameOnly, "identity")]
    [InlineData(LeafFlaw.TwoUriNames, "identity")]
    [InlineData(LeafFlaw.WebAddress, "identity")]
    [InlineData(LeafFlaw.TrustDomainOnly, "identity")]
    [InlineData(LeafFlaw.OtherTrustDomain, "trust-domain")]
    [InlineData(LeafFlaw.DotSegments, "identity")]
    [InlineData(LeafFlaw.EncodedSlash, "identity")]
    [InlineData(LeafFlaw.TrailingSlash, "identity")]
    [InlineData(LeafFlaw.Authority, "identity")]
    [InlineData(LeafFlaw.ServerOnly, "untrusted")]
    [InlineData(LeafFlaw.NoDigitalSignature, null)]
    [InlineData(LeafFlaw.SignsCertificates, "identity")]
    [InlineData(LeafFlaw.SameNamedStranger, "untrusted")]
    [InlineData(LeafFlaw.SelfSigned, "untrusted")]
    [InlineData(LeafFlaw.MissingIntermediate, "untrusted")]
    public async Task Connect_WithFlawedCertificate_IsRefusedLoggedAndCounted(LeafFlaw flaw, string? reason)
    {
        await using var host = await StartOpenAsync();
        var metrics = host.Metrics;
        using var flawed = host.ControlPlane.Authority.IssueFlawed(InboundTestHost.Web, flaw);

        Assert.Null(await CallAsync(host, MeshCaller.ContextOf(flawed)));

        await AssertRefusedAsync(host, metrics, reason);
    }

    [Fact]
    public async Task Connect_WithCertificateOfAnotherAuthority_IsRefused()
    {
        await using var host = await StartOpenAsync();
        var metrics = host.Metrics;
        using var stranger = new TestCertificateAuthority();

        Assert.Null(await CallAsync(host, MeshCaller.ContextOf(stranger.IssueLeaf(InboundTestHost.Web))));

        await AssertRefusedAsync(host, metrics, "untrusted");
    }

    [Fact]
    public async Task Connect_WithoutCertificate_IsRefused()
    {
        await using var host = await StartOpenAsync();
        var metrics = host.Metrics;

        Assert.Null(await CallAsync(host, null));

        await AssertRefusedAsync(host, metrics, "no-certificate");
    }

    [Fact]
    public async Task Connect_WithIdThatNamesNoService_IsRefused()
    {
        await using var host = await StartOpenAsync();
        var metrics = host.Metrics;
        using var agent = host.ControlPlane.Authority.Issue(LeafBlueprint.For(
            SpiffeId.Parse($"spiffe://{host.ControlPlane.Authority.TrustDomain}/agent/client/dc/dc1/id/node-1")));

        Assert.Null(await CallAsync(host, MeshCaller.ContextOf(agent)));

        await AssertRefusedAsync(host, metrics, "identity");
    }

    [Theory]
    [InlineData("dev")]
    [InlineData("Default")]
    public async Task Connect_FromAnotherNamespace_IsRefusedWhateverIsAllowedToItsNamesake(string @namespace)
    {
        await using var host = await StartOpenAsync();
        host.ControlPlane.Allow("web", "orders");
        var metrics = host.Metrics;
        var authority = host.ControlPlane.Authority;
        using var namesake = authority.Issue(LeafBlueprint.For(
            SpiffeId.ForService(authority.TrustDomain, "dc1", InboundTestHost.Web, @namespace)));

        Assert.Null(await CallAsync(host, MeshCaller.ContextOf(namesake)));

        await AssertRefusedAsync(host, metrics, "namespace");
        Assert.Contains($"namespace {@namespace}", host.Logs.Of(103).First().Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LeafFlaw.ClientOnly)]
    [InlineData(LeafFlaw.OtherDatacenter)]
    public async Task Connect_WithCertificateGoodForACaller_IsServed(LeafFlaw flaw)
    {
        await using var host = await StartOpenAsync();
        using var odd = host.ControlPlane.Authority.IssueFlawed(InboundTestHost.Web, flaw);

        Assert.Equal("hello", await CallAsync(host, MeshCaller.ContextOf(odd)));
    }

    [Fact]
    public async Task Connect_WithPlaintext_GetsNoHttpAnswer()
    {
        await using var host = await StartOpenAsync();
        var metrics = host.Metrics;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, host.MeshPort, TestContext.Current.CancellationToken);
        var stream = client.GetStream();

        await stream.WriteAsync("GET /hello HTTP/1.1\r\nHost: orders\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);

        Assert.DoesNotContain("hello", await ReadToEndAsync(stream), StringComparison.Ordinal);
        await AssertRefusedAsync(host, metrics, "incomplete");
    }

    [Fact]
    public async Task Connect_WithTls11Only_IsRefused()
    {
        await using var host = await StartOpenAsync();
        var options = MeshCaller.TlsOptions(
            host.ControlPlane.Authority.Bundle, MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web)));
        options.EnabledSslProtocols = Tls11;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, host.MeshPort, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(client.GetStream());

        await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken).Bounded());
    }

    [Fact]
    public async Task Connect_AfterRenewal_GetsTheNewCertificateWhileOldConnectionsGoOn()
    {
        await using var host = await StartOpenAsync();
        var seen = new List<string>();
        void Note(X509Certificate2 server)
        {
            lock (seen)
            {
                seen.Add(server.SerialNumber);
            }
        }

        var context = MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web));
        using var old = MeshCaller.Create(host, context, Note);
        Assert.Equal("hello", await old.GetStringAsync("/hello", TestContext.Current.CancellationToken));

        host.ControlPlane.RenewLeaves();
        await Eventually.HoldsAsync(async () =>
        {
            using var fresh = MeshCaller.Create(host, context, Note);
            Assert.Equal("hello", await fresh.GetStringAsync("/hello", TestContext.Current.CancellationToken));
            return seen.Distinct().Count() == 2;
        });
        var handshakes = seen.Count;

        Assert.Equal("hello", await old.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        Assert.Equal(handshakes, seen.Count);
    }

    [Fact]
    public async Task Connect_AfterRootsRotated_ServesBothGenerations()
    {
        await using var host = await StartOpenAsync();
        var before = MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web));

        host.ControlPlane.RotateRoots();
        var after = MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web));

        await Eventually.HoldsAsync(async () => await CallAsync(host, after) == "hello");
        Assert.Equal("hello", await CallAsync(host, before));
    }

    private static async Task<InboundTestHost> StartOpenAsync()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        return await InboundTestHost.StartAsync(controlPlane: plane);
    }

    private static async Task<string?> CallAsync(InboundTestHost host, SslStreamCertificateContext? certificate)
    {
        using var client = MeshCaller.Create(host, certificate);
        try
        {
            return await client.GetStringAsync("/hello", TestContext.Current.CancellationToken);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static async Task AssertRefusedAsync(InboundTestHost host, RecordedMetrics metrics, string? reason)
    {
        await Eventually.HoldsAsync(() => metrics.Of("meshclient.inbound.handshake_failures").Count > 0);
        if (reason is not null)
        {
            Assert.All(metrics.Of("meshclient.inbound.handshake_failures"), one => Assert.Equal(reason, one.Tags["meshclient.reason"]));
        }

        await Eventually.HoldsAsync(() => host.Logs.Of(103).Any());
        Assert.Empty(metrics.Of("meshclient.inbound.requests"));
    }

    private static async Task<string> ReadToEndAsync(Stream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken).AsTask().Bounded()) > 0)
            {
                text.Append(Encoding.ASCII.GetString(buffer, 0, read));
            }
        }
        catch (IOException)
        {
            // A reset ends a connection as well.
        }

        return text.ToString();
    }
}
