using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>A resumed session is verified and authorised like a new one. Each test makes sure that its session is resumed indeed.</summary>
public sealed class ResumptionTests : IDisposable
{
    // The callers' authority is another than the listener's, of the same trust domain: so it can lose its trust while the
    // listener keeps its certificate, and with it the keys of its tickets.
    private readonly TestCertificateAuthority _callers = new();
    private readonly SharedBundle _bundles = new();

    public static TheoryData<SslProtocols> Versions => new(SslProtocols.Tls12, SslProtocols.Tls13);

    public static TheoryData<SslProtocols, LeafSigner> Chains => new()
    {
        { SslProtocols.Tls12, LeafSigner.ActiveRoot },
        { SslProtocols.Tls13, LeafSigner.ActiveRoot },
        { SslProtocols.Tls12, LeafSigner.Intermediate },
        { SslProtocols.Tls13, LeafSigner.Intermediate },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _callers.Dispose();

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task Connect_Again_ResumesAndProvesTheSamePeer(SslProtocols version, LeafSigner signer)
    {
        await using var host = await StartAsync();
        using var leaf = _callers.Issue(LeafBlueprint.For(_callers.IdOf(InboundTestHost.Web)) with { Signer = signer });
        var context = MeshCaller.ContextOf(leaf);

        await using var held = await CallAndHoldAsync(host, context, version);
        Assert.Equal((true, "web"), await CallAsync(host, context, version));
        Assert.Equal((true, "web"), await CallAsync(host, context, version));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Connect_RootOfTheCallerGoneSince_IsRefusedThoughTheSessionIsResumed(SslProtocols version)
    {
        await using var host = await StartAsync();
        var context = MeshCaller.ContextOf(_callers.IssueLeaf(InboundTestHost.Web));
        await using var held = await CallAndHoldAsync(host, context, version);
        Assert.Equal((true, "web"), await CallAsync(host, context, version));

        await TrustAsync(host, host.ControlPlane.Authority);

        await AssertRefusedAsync(host, context, version);
        await Eventually.HoldsAsync(() => host.Logs.Of(103).Any(line => line.Text.Contains("not issued under", StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Connect_CertificateEndedSince_IsRefusedThoughTheSessionIsResumed(SslProtocols version)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var host = await StartAsync(time);
        // It ends by the machine's clock, which the runtime goes by, in a moment, and is let pass until the listener's clock has moved on.
        using var leaf = _callers.Issue(LeafBlueprint.For(_callers.IdOf(InboundTestHost.Web)) with { ValidUntil = TimeSpan.FromSeconds(1) });
        var context = MeshCaller.ContextOf(leaf);
        await using var held = await CallAndHoldAsync(host, context, version);
        Assert.Equal((true, "web"), await CallAsync(host, context, version));

        await Eventually.HoldsAsync(() => TimeProvider.System.GetUtcNow() > leaf.Certificate.NotAfter.ToUniversalTime().AddSeconds(1));
        Assert.Equal((true, "web"), await CallAsync(host, context, version));
        // Less than the grace for the connection that is held, and counted from the end: the host took its time to start.
        time.Advance(leaf.Certificate.NotAfter.ToUniversalTime() + MeshDefaults.ClockAllowance + TimeSpan.FromSeconds(5) - time.GetUtcNow());

        await AssertRefusedAsync(host, context, version);
        await Eventually.HoldsAsync(() => host.Logs.Of(103).Any(line => line.Text.Contains("has ended", StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Connect_DeniedSince_IsDeniedOverTheResumedSession(SslProtocols version)
    {
        await using var host = await StartAsync();
        var context = MeshCaller.ContextOf(_callers.IssueLeaf(InboundTestHost.Web));
        await using var held = await CallAndHoldAsync(host, context, version);

        host.ControlPlane.Deny("web", "orders");

        await Eventually.HoldsAsync(async () => await CallAsync(host, context, version) == (true, null));
    }

    [Fact]
    public async Task Connect_OwnCertificateRenewed_SessionsOfTheOldOneAreNotResumed()
    {
        await using var host = await StartAsync();
        var context = MeshCaller.ContextOf(_callers.IssueLeaf(InboundTestHost.Web));
        await using var held = await CallAndHoldAsync(host, context, SslProtocols.Tls13);
        Assert.Equal((true, "web"), await CallAsync(host, context, SslProtocols.Tls13));
        var identity = host.Services.GetRequiredService<MeshClient.Identity.MeshIdentity>();
        var before = identity.Current!.Leaf;

        host.ControlPlane.RenewLeaves();
        await Eventually.HoldsAsync(() => !ReferenceEquals(before, identity.Current!.Leaf));

        Assert.Equal((false, "web"), await CallAsync(host, context, SslProtocols.Tls13));
    }

    // A refusal may arrive before the client has looked at its session, so that some tries do not tell.
    private static Task AssertRefusedAsync(InboundTestHost host, SslStreamCertificateContext certificate, SslProtocols version) =>
        Eventually.HoldsAsync(async () =>
        {
            var (isResumed, answer) = await CallAsync(host, certificate, version);
            Assert.Null(answer);
            return isResumed;
        });

    // The first call, over a connection that stays open: the runtime forgets what resumes sessions, at either end, while nobody is
    // connected with it and others, of other tests, are busy.
    private static async Task<SslStream> CallAndHoldAsync(InboundTestHost host, SslStreamCertificateContext certificate, SslProtocols version)
    {
        var tls = await ConnectAsync(host);
        await tls.AuthenticateAsClientAsync(Options(host, certificate, version), Token).Bounded();
        Assert.False(TlsSession.IsResumed(tls));
        await tls.WriteAsync("GET /who HTTP/1.1\r\nHost: orders\r\n\r\n"u8.ToArray(), Token);
        var text = new StringBuilder();
        var buffer = new byte[1000];
        while (!text.ToString().EndsWith("\r\n\r\nweb", StringComparison.Ordinal))
        {
            var read = await tls.ReadAsync(buffer, Token).AsTask().Bounded();
            Assert.NotEqual(0, read);
            text.Append(Encoding.ASCII.GetString(buffer, 0, read));
        }

        return tls;
    }

    private static async Task<(bool IsResumed, string? Answer)> CallAsync(
        InboundTestHost host, SslStreamCertificateContext certificate, SslProtocols version)
    {
        await using var tls = await ConnectAsync(host);
        var isResumed = false;
        try
        {
            await tls.AuthenticateAsClientAsync(Options(host, certificate, version), Token).Bounded();
            isResumed = TlsSession.IsResumed(tls);
            Assert.Equal(version, tls.SslProtocol);
            await tls.WriteAsync("GET /who HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
            using var reader = new StreamReader(tls, Encoding.ASCII);
            var text = await reader.ReadToEndAsync(Token).Bounded();
            return (isResumed, text.StartsWith("HTTP/1.1 200", StringComparison.Ordinal) ? text.TrimEnd()[^3..] : null);
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            return (isResumed, null);
        }
    }

    private static async Task<SslStream> ConnectAsync(InboundTestHost host)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, host.MeshPort, Token);
        return new SslStream(new NetworkStream(socket, ownsSocket: true));
    }

    private static SslClientAuthenticationOptions Options(InboundTestHost host, SslStreamCertificateContext certificate, SslProtocols version)
    {
        var options = MeshCaller.TlsOptions(host.ControlPlane.Authority.Bundle, certificate);
        options.EnabledSslProtocols = version;
        return options;
    }

    private async Task<InboundTestHost> StartAsync(TimeProvider? time = null)
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        _bundles.Set(plane.Authority, _callers);
        return await InboundTestHost.StartAsync(
            map: app => app.MapGet("/who", (HttpContext context) => Results.Text(context.Features.Get<IMeshPeerFeature>()!.Service.Value)),
            build: builder => builder.Services.AddSingleton<ITrustBundleSource>(_bundles).AddSingleton(time ?? TimeProvider.System),
            controlPlane: plane);
    }

    private async Task TrustAsync(InboundTestHost host, params TestCertificateAuthority[] authorities)
    {
        _bundles.Set(authorities);
        var identity = host.Services.GetRequiredService<MeshClient.Identity.MeshIdentity>();
        await Eventually.HoldsAsync(() => identity.Current!.Bundle.Roots.Count == authorities.Length);
    }
}
