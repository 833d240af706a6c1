using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using Microsoft.Extensions.Logging;

namespace MeshClient.Transport;

/// <summary>
/// Opens connections to one endpoint of one instance: TCP, and for a mesh instance mutual TLS in which it has to prove that it
/// is the service the registry said. Here, and only here, our certificate goes out and theirs is judged.
/// </summary>
internal sealed partial class InstanceConnector
{
    private readonly ServiceInstance _instance;
    private readonly TimeSpan _timeout;
    private readonly List<SslApplicationProtocol>? _protocols;
    private readonly MeshIdentity _identity;
    private readonly ConnectionLeases _leases;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public InstanceConnector(
        ServiceInstance instance,
        InstanceEndpoint endpoint,
        TimeSpan timeout,
        IReadOnlyList<SslApplicationProtocol>? protocols,
        MeshIdentity identity,
        ConnectionLeases leases,
        TimeProvider time,
        ILogger logger)
    {
        _instance = instance;
        Endpoint = endpoint;
        _timeout = timeout;
        _protocols = protocols?.ToList();
        _identity = identity;
        _leases = leases;
        _time = time;
        _logger = logger;
    }

    public InstanceEndpoint Endpoint { get; }

    /// <summary>Told when a connection it has opened is to take no more calls, because a certificate it was made with ends soon.</summary>
    public Action? Draining { get; set; }

    /// <summary>Tells how many calls are in flight at the instance; null: its connections are not for many calls at once.</summary>
    public Func<int>? InFlight { get; set; }

    /// <summary>Opens a connection, for <see cref="SocketsHttpHandler.ConnectCallback"/>.</summary>
    public ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken) =>
        ConnectAsync(cancellationToken);

    /// <summary>Opens a connection.</summary>
    public async ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken) =>
        (await OpenBoundedAsync(isRaw: false, cancellationToken).ConfigureAwait(false)).Stream;

    /// <summary>Opens a connection for any protocol: each direction ends by itself, and TLS is done here in any case.</summary>
    public ValueTask<OpenedConnection> DialAsync(CancellationToken cancellationToken) => OpenBoundedAsync(isRaw: true, cancellationToken);

    private async ValueTask<OpenedConnection> OpenBoundedAsync(bool isRaw, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_timeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await OpenAsync(isRaw, both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"No connection to {Endpoint.Host}:{Endpoint.Port} within {_timeout}.");
        }
    }

    public void LogCallbackFailed(Exception failure) =>
        LogCallbackFailed(_logger, _instance.Service.Value, _instance.Id.Value, Endpoint.Host, Endpoint.Port, failure);

    public void LogAborted(string why) => LogAborted(_logger, _instance.Id.Value, Endpoint.Host, Endpoint.Port, why);

    private async Task<OpenedConnection> OpenAsync(bool isRaw, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        try
        {
            if (isRaw)
            {
                KeepAlive.Ask(socket);
            }

            await socket.ConnectAsync(Endpoint.Host, Endpoint.Port, cancellationToken).ConfigureAwait(false);
            stream = new NetworkStream(socket, ownsSocket: true);
            var turns = isRaw && Endpoint.Security != InstanceSecurity.Plaintext ? new TlsTurns() : null;
            if (turns is not null)
            {
                stream = new TlsTurnStream(stream, turns);
            }

            SpiffeId? peer = null;
            if (Endpoint.Security == InstanceSecurity.Mesh)
            {
                (stream, peer) = await AuthenticateAsync(socket, stream, cancellationToken).ConfigureAwait(false);
            }
            else if (isRaw && Endpoint.Security == InstanceSecurity.Tls)
            {
                stream = await AuthenticateByHostAsync(stream, Endpoint.Host, cancellationToken).ConfigureAwait(false);
            }

            // The handshake has read as well, and nobody reads now.
            turns?.Leave();
            return new OpenedConnection(stream, socket, turns, Endpoint, peer);
        }
        catch
        {
            if (stream is not null)
            {
                await stream.DisposeAsync().ConfigureAwait(false);
            }

            socket.Dispose();
            throw;
        }
    }

    private static async Task<Stream> AuthenticateByHostAsync(Stream transport, string host, CancellationToken cancellationToken)
    {
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = host }, cancellationToken).ConfigureAwait(false);
            return tls;
        }
        catch
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task<(Stream Stream, SpiffeId Peer)> AuthenticateAsync(Socket socket, Stream transport, CancellationToken cancellationToken)
    {
        // The newest identity at each handshake: a renewal needs no new pool to be used.
        var identity = await _identity.GetAsync(cancellationToken).ConfigureAwait(false);
        var service = _instance.ExpectedService.IsEmpty ? _instance.Service : _instance.ExpectedService;
        var datacenter = DatacenterOf(identity);
        var expected = _instance.Identity ?? SpiffeId.ForService(identity.Bundle.TrustDomain, datacenter, service);
        var bundle = identity.FindBundle(expected.TrustDomain) ?? throw new AuthenticationException(
            $"The peer at {Endpoint.Host}:{Endpoint.Port} has to be {expected}, but {_identity.DescribeMissingRoots(expected.TrustDomain)}");
        VerifiedPeer? peer = null;
        string? problem = null;
        var tls = new InstanceStream(socket, transport, this);
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    // As Consul's gateways route it; nothing is verified by this name.
                    TargetHost = $"{service}.default.{datacenter}.internal.{expected.TrustDomain}",
                    ClientCertificateContext = identity.Context,
                    CertificateChainPolicy = identity.ServerChainPolicy(bundle),
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    // A peer proves who it is once, when the connection is made.
                    AllowRenegotiation = false,
                    ApplicationProtocols = _protocols,
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                        (peer = Judge(certificate, chain, errors, identity, expected, out problem)) is not null,
                },
                cancellationToken).ConfigureAwait(false);
            // Without a verdict there is no peer, whatever the stream says.
            tls.Begin(connection => _leases.Begin(connection, identity.Leaf, peer ?? throw new AuthenticationException("The peer was not verified.")));
            if (InFlight is { } inFlight && tls.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2)
            {
                tls.Coalesce(inFlight, _time);
            }

            return (tls, expected);
        }
        catch (Exception e)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            if (problem is null)
            {
                throw;
            }

            LogRefused(_logger, _instance.Id.Value, Endpoint.Host, Endpoint.Port, expected.ToString(), problem);
            throw new PeerIdentityException(
                $"The peer at {Endpoint.Host}:{Endpoint.Port} is not {expected}: {problem}.", e);
        }
    }

    private VerifiedPeer? Judge(
        X509Certificate? certificate,
        X509Chain? chain,
        SslPolicyErrors errors,
        IdentitySnapshot identity,
        SpiffeId expected,
        out string? problem)
    {
        var peer = PeerVerifier.Verify(
            certificate, chain, errors, identity, _identity.Settings.ClockAllowance, _time.GetUtcNow(), out var refusal);
        problem = peer is null ? refusal!.Problem : peer.Id == expected ? null : $"it proved to be {peer.Id}";
        return problem is null ? peer : null;
    }

    // A source that knows no datacenters means the one we are in. A guess would decide whom we take for the service.
    private string DatacenterOf(IdentitySnapshot identity) =>
        _instance.Datacenter.Length > 0 ? _instance.Datacenter
        : identity.Leaf.Id.TryGetService(out var own) ? own.Datacenter
        : throw new AuthenticationException(
            $"Who the peer at {Endpoint.Host}:{Endpoint.Port} has to be cannot be told: instance {_instance.Id} has no datacenter, "
            + $"and {identity.Leaf.Id}, the identity of this process, names none.");

    [LoggerMessage(21, LogLevel.Warning, "Aborted a connection to instance {Instance} at {Host}:{Port}: {Why}.")]
    private static partial void LogAborted(ILogger logger, string instance, string host, int port, string why);

    [LoggerMessage(22, LogLevel.Error, "What the app does when its connection to '{Service}' is to be ended (MeshConnection.Closing) failed for the one to instance {Instance} at {Host}:{Port}.")]
    private static partial void LogCallbackFailed(ILogger logger, string service, string instance, string host, int port, Exception failure);

    [LoggerMessage(20, LogLevel.Warning, "Refused instance {Instance} at {Host}:{Port}: it has to be {Expected}, but {Problem}.")]
    private static partial void LogRefused(
        ILogger logger, string instance, string host, int port, string expected, string problem);
}
