using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Core.Identity;
using MeshClient.Identity;
using MeshClient.Telemetry;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// The TLS of the mesh listener: our newest certificate out, theirs demanded, verified against the mesh's roots only, and
/// read once for the life of the connection.
/// </summary>
/// <remarks>
/// A renewed identity holds for new connections at once; old ones go on with what they have until their own or their peer's
/// certificate comes to its end. No revocation look-up: certificates live hours. Sessions may be resumed, the peer is verified
/// then as well.
/// Peers of another namespace than <c>default</c> are refused: intentions are read for that one and name services without
/// theirs, so the <c>web</c> of another namespace would pass for ours.
/// </remarks>
internal sealed partial class MeshTlsPolicy(
    MeshIdentity identity,
    IOptions<MeshInboundOptions> options,
    InboundMetrics metrics,
    DenialReporter denials,
    TimeProvider time,
    MeshRandom random,
    ILogger<MeshTlsPolicy> logger) : IDisposable
{
    // Where services are outside Consul Enterprise, and what the registry answers about when no namespace is asked for.
    private const string ServedNamespace = "default";

    private readonly LogLimiter<string> _limiter = new(time);
    private readonly ConnectionLeases _leases = new(identity, DrainWindow.Called, "inbound", time, random);

    /// <summary>How many verified connections are open.</summary>
    public int LiveConnections => _leases.Count;

    /// <summary>Protects a listener for HTTP.</summary>
    public void Use(ListenOptions listener)
    {
        listener.Protocols = HttpProtocols.Http1AndHttp2;
        Use(listener, [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11]);
        listener.Use(next => new SpokenProtocolMiddleware(next, listener.KestrelServerOptions.Limits.KeepAliveTimeout, time).OnConnectionAsync);
    }

    /// <summary>Protects a listener.</summary>
    /// <param name="listener">The listener.</param>
    /// <param name="protocols">What of HTTP may be negotiated; null for a protocol that is none.</param>
    public void Use(ListenOptions listener, List<SslApplicationProtocol>? protocols)
    {
        // Around TLS: only from outside can be seen that a handshake came to nothing.
        listener.Use(next => connection => ObserveHandshakeAsync(connection, next));
        listener.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = options.Value.HandshakeTimeout,
            OnConnection = context => ValueTask.FromResult(CreateOptions(context.Connection, protocols)),
        });
        listener.Use(next => connection => ServeAsync(connection, next, isHttp: protocols is not null));
    }

    public void Dispose() => _leases.Dispose();

    private SslServerAuthenticationOptions CreateOptions(ConnectionContext connection, List<SslApplicationProtocol>? protocols)
    {
        var handshake = connection.Features.Get<Handshake>()!;
        if (identity.Current is not { } current)
        {
            handshake.Refuse("no-identity", "this service has no certificate yet");
            throw new AuthenticationException("This service has no certificate yet.");
        }

        handshake.Own = current.Leaf;
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = current.Context,
            ClientCertificateRequired = true,
            CertificateChainPolicy = current.ClientChainPolicy(),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
            AllowRenegotiation = false,
            // A callback's options are taken as they are, so the server's own protocol list is not added.
            ApplicationProtocols = protocols,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                Verify(handshake, PeerVerifier.Verify(
                    certificate, chain, errors, current, identity.Settings.ClockAllowance, time.GetUtcNow(), out var refusal), refusal, current.Bundle.TrustDomain),
        };
    }

    private static bool Verify(Handshake handshake, VerifiedPeer? peer, PeerRefusal? refusal, string trustDomain)
    {
        if (peer is null)
        {
            handshake.Refuse(refusal!.Reason, refusal.Problem);
            return false;
        }

        handshake.Verified = peer;
        if (!peer.Id.TryGetService(out var service))
        {
            handshake.Refuse("identity", "its SPIFFE id does not name a service");
            return false;
        }

        if (!string.Equals(service.Namespace, ServedNamespace, StringComparison.Ordinal))
        {
            handshake.Refuse("namespace", $"it belongs to namespace {service.Namespace}, not to {ServedNamespace}");
            return false;
        }

        handshake.Peer = new MeshPeer(
            peer.Id, service, peer.Span.Until, !string.Equals(peer.Id.TrustDomain, trustDomain, StringComparison.OrdinalIgnoreCase));
        return true;
    }

    private async Task ObserveHandshakeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var handshake = new Handshake();
        connection.Features.Set(handshake);
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            if (!handshake.IsDone)
            {
                metrics.HandshakeFailed(handshake.Reason);
                if (handshake.IsRefused)
                {
                    denials.Handshake(handshake.Verified?.Id, connection.RemoteEndPoint, handshake.Reason, handshake.Problem);
                }

                if (_limiter.TryEnter(handshake.Reason, out var suppressed))
                {
                    // Port scans and probes that only connect are no reason to warn.
                    var level = handshake.IsRefused ? LogLevel.Warning : LogLevel.Information;
                    LogHandshakeFailed(logger, level, connection.RemoteEndPoint, handshake.Problem, suppressed);
                }
            }
        }
    }

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next, bool isHttp)
    {
        var handshake = connection.Features.Get<Handshake>();
        if (handshake is not { Peer: { } peer, Verified: { } verified, Own: { } own })
        {
            connection.Abort(new ConnectionAbortedException("The TLS handshake ended without a verified peer."));
            return;
        }

        handshake.IsDone = true;
        connection.Features.Set(peer);
        connection.Features.Set<IMeshPeerFeature>(peer);
        using var lease = _leases.Begin(new InboundConnection(connection, peer, isHttp, logger), own, verified);
        await next(connection).ConfigureAwait(false);
    }

    [LoggerMessage(108, LogLevel.Warning, "Aborted a connection of {Peer} from {Remote}: {Why}.")]
    private static partial void LogAborted(ILogger logger, string peer, EndPoint? remote, string why);

    [LoggerMessage(
        EventId = 103,
        Message = "Refused a connection from {Remote} to the mesh listener: {Problem}. {Suppressed} refusals for the same reason before it were not logged.")]
    private static partial void LogHandshakeFailed(ILogger logger, LogLevel level, EndPoint? remote, string problem, int suppressed);

    /// <summary>A connection as its lease sees it.</summary>
    private sealed class InboundConnection(ConnectionContext connection, MeshPeer peer, bool isHttp, ILogger logger) : ILeasedConnection
    {
        public bool Drain()
        {
            // HTTP/2 says goodbye and names the last request it takes; HTTP/1.1 can only in an answer.
            if (isHttp && !NegotiatedProtocol.IsHttp2(connection))
            {
                peer.IsDraining = true;
            }
            else
            {
                ClosingRequest.Ask(connection, logger);
            }

            return true;
        }

        public void Abort(string why)
        {
            LogAborted(logger, peer.Id.ToString(), connection.RemoteEndPoint, why);
            connection.Abort(new ConnectionAbortedException($"The connection was ended: {why}."));
        }
    }

    /// <summary>What has come of one connection's handshake.</summary>
    private sealed class Handshake
    {
        public LeafCertificate? Own { get; set; }

        public VerifiedPeer? Verified { get; set; }

        public MeshPeer? Peer { get; set; }

        public bool IsDone { get; set; }

        public bool IsRefused { get; private set; }

        public string Reason { get; private set; } = "incomplete";

        public string Problem { get; private set; } = "it did not complete a TLS handshake";

        public void Refuse(string reason, string problem) => (IsRefused, Reason, Problem) = (true, reason, problem);
    }
}
