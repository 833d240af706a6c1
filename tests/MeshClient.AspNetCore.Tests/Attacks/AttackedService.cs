using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// The service orders as it is attacked: on real sockets, with everything counted that could be left behind. It has a secret,
/// <c>/admin/keys</c>, which web may not ask for, and <c>/public</c>, which it may.
/// </summary>
internal sealed class AttackedService : IAsyncDisposable
{
    public const string Secret = "the keys";

    private readonly RecordedMetrics _metrics;
    private readonly ServerConnections _connections;
    private readonly ConcurrentQueue<string> _served;

    private AttackedService(InboundTestHost host, ConcurrentQueue<string> served)
    {
        Host = host;
        _served = served;
        _metrics = host.Metrics;
        _connections = new ServerConnections(host.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>());
    }

    public InboundTestHost Host { get; }

    public TestCertificateAuthority Authority => Host.ControlPlane.Authority;

    /// <summary>The paths of the requests that the app itself got to see, in order.</summary>
    public IReadOnlyList<string> Served => [.. _served];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Starts it.</summary>
    /// <param name="permissions">What web may do. Default: anything but what begins with <c>/admin</c>.</param>
    /// <param name="inbound">Settings.</param>
    /// <param name="authority">Who issues the certificates.</param>
    public static async Task<AttackedService> StartAsync(
        IReadOnlyList<IntentionPermission>? permissions = null,
        Action<MeshInboundOptions>? inbound = null,
        TestCertificateAuthority? authority = null)
    {
        var plane = new InMemoryControlPlane(authority);
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, new Intention
        {
            Id = "web-rule",
            Source = "web",
            Destination = "orders",
            Permissions = [.. permissions ??
            [
                new IntentionPermission { Action = IntentionAction.Deny, PathPrefix = "/admin" },
                new IntentionPermission { Action = IntentionAction.Allow, PathPrefix = "/" },
            ]],
        });
        var served = new ConcurrentQueue<string>();
        var host = await InboundTestHost.StartAsync(
            map: app =>
            {
                app.Use((context, next) =>
                {
                    served.Enqueue(context.Request.Path.Value ?? string.Empty);
                    return next(context);
                });
                app.UseRouting();
                app.MapMethods("/admin/keys", ["GET", "POST"], () => Secret);
                app.MapMethods("/admin/keys/{name}", ["GET", "POST"], () => Secret);
                app.Map("/public/{**rest}", async (HttpContext context) =>
                {
                    await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
                    return "page";
                });
                app.Map("/hello", () => "hello");
                app.MapFallback((HttpContext context) => $"fallback {Uri.EscapeDataString(context.Request.Path.Value ?? string.Empty)}");
            },
            inbound: inbound,
            controlPlane: plane);
        return new AttackedService(host, served);
    }

    /// <summary>A certificate of a service as the mesh issues it.</summary>
    public SslStreamCertificateContext GoodCertificate(string service = "web") =>
        MeshCaller.ContextOf(Authority.IssueLeaf(ServiceName.Parse(service)));

    /// <summary>A plain connection to the mesh port.</summary>
    public async Task<NetworkStream> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Host.MeshPort, Token);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>A connection with the handshake done, as far as the client can tell.</summary>
    public async Task<SslStream> AuthenticateAsync(
        SslStreamCertificateContext? certificate, SslProtocols version = SslProtocols.None, SslApplicationProtocol? protocol = null)
    {
        var tls = new SslStream(await ConnectAsync());
        try
        {
            var options = MeshCaller.TlsOptions(Authority.Bundle, certificate);
            options.EnabledSslProtocols = version;
            options.ApplicationProtocols = protocol is { } one ? [one] : null;
            await tls.AuthenticateAsClientAsync(options, Token).Bounded();
            return tls;
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    /// <summary>Does the handshake and a request.</summary>
    /// <returns>What came back; null when TLS failed, in the handshake or, as version 1.3 has it, right after it.</returns>
    public async Task<string?> TryCallAsync(SslStreamCertificateContext? certificate, SslProtocols version = SslProtocols.None)
    {
        try
        {
            await using var tls = await AuthenticateAsync(certificate, version);
            await tls.WriteAsync("GET /hello HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
            var text = await ReadToEndAsync(tls);
            return text.Length == 0 ? null : text;
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            return null;
        }
    }

    /// <summary>Sends bytes as they are over a connection of web, and reads all that comes back until the server ends it.</summary>
    public async Task<string> ExchangeAsync(string bytes, string service = "web")
    {
        await using var tls = await AuthenticateAsync(GoodCertificate(service), protocol: SslApplicationProtocol.Http11);
        try
        {
            await tls.WriteAsync(Encoding.Latin1.GetBytes(bytes), Token);
        }
        catch (IOException)
        {
            // It has read enough and ended the connection; what it said is still to be read.
        }

        return await ReadToEndAsync(tls);
    }

    public static async Task<string> ReadToEndAsync(Stream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, Token).AsTask().Bounded()) > 0)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (IOException)
        {
            // A reset ends a connection as well.
        }

        return text.ToString();
    }

    /// <summary>Every refused handshake was counted once, for this reason and no other, and told once.</summary>
    public async Task AssertHandshakesRefusedAsync(string reason, int count = 1)
    {
        await Eventually.HoldsAsync(() => _metrics.Of("meshclient.inbound.handshake_failures").Count >= count);
        await AssertNothingHeldAsync();
        var failures = _metrics.Of("meshclient.inbound.handshake_failures");
        Assert.Equal(count, failures.Count);
        Assert.All(failures, one => Assert.Equal(reason, one.Tags["meshclient.reason"]));
        Assert.Single(Host.Logs.Of(103));
        Assert.Empty(_metrics.Of("meshclient.inbound.requests"));
        Assert.Empty(_served);
    }

    /// <summary>No request was refused or served by the mesh's stages: the server itself would not take it for one.</summary>
    public void AssertNoRequest()
    {
        Assert.Empty(_metrics.Of("meshclient.inbound.requests"));
        Assert.Empty(_served);
    }

    /// <summary>The denials that were counted.</summary>
    public int Denials => _metrics.Of("meshclient.inbound.denials").Count;

    /// <summary>No connection or request is left.</summary>
    public async Task AssertNothingHeldAsync()
    {
        (long Sockets, int Connections, double Requests) Held() => (
            _connections.Active,
            Host.Services.GetRequiredService<MeshTlsPolicy>().LiveConnections,
            _metrics.Of("meshclient.inbound.active_requests").Sum(one => one.Value));
        try
        {
            await Eventually.HoldsAsync(() => Held() == default);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"Still held: {Held()}.");
        }
    }

    /// <summary>How many connections the server has, whatever has become of them.</summary>
    public long Connections => _connections.Active;

    /// <summary>How many handshakes have failed for a reason.</summary>
    public int HandshakeFailures(string reason) =>
        _metrics.Of("meshclient.inbound.handshake_failures").Count(one => one.Tags["meshclient.reason"] == reason);

    /// <summary>Whoever has a good certificate is served as ever.</summary>
    public async Task AssertCallIsServedAsync() =>
        Assert.StartsWith("HTTP/1.1 200", await TryCallAsync(GoodCertificate()), StringComparison.Ordinal);

    public async ValueTask DisposeAsync()
    {
        _connections.Dispose();
        await Host.DisposeAsync();
    }
}
