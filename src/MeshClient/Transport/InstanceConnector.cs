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
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public InstanceConnector(
        ServiceInstance instance,
        InstanceEndpoint endpoint,
        TimeSpan timeout,
        IReadOnlyList<SslApplicationProtocol>? protocols,
        MeshIdentity identity,
        TimeProvider time,
        ILogger logger)
    {
        _instance = instance;
        Endpoint = endpoint;
        _timeout = timeout;
        _protocols = protocols?.ToList();
        _identity = identity;
        _time = time;
        _logger = logger;
    }

    public InstanceEndpoint Endpoint { get; }

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
            var turns = new TlsTurns();
            if (isRaw && Endpoint.Security != InstanceSecurity.Plaintext)
            {
                stream = new TlsTurnStream(stream, turns);
            }

            SpiffeId? peer = null;
            if (Endpoint.Security == InstanceSecurity.Mesh)
            {
                (stream, peer) = await AuthenticateAsync(stream, cancellationToken).ConfigureAwait(false);
            }
            else if (isRaw && Endpoint.Security == InstanceSecurity.Tls)
            {
                stream = await AuthenticateByHostAsync(stream, Endpoint.Host, cancellationToken).ConfigureAwait(false);
            }

            // The handshake has read as well, and nobody reads now.
            turns.Leave();
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

    private async Task<(Stream Stream, SpiffeId Peer)> AuthenticateAsync(Stream transport, CancellationToken cancellationToken)
    {
        // The newest identity at each handshake: a renewal needs no new pool to be used.
        var identity = await _identity.GetAsync(cancellationToken).ConfigureAwait(false);
        var service = _instance.ExpectedService.IsEmpty ? _instance.Service : _instance.ExpectedService;
        var datacenter = DatacenterOf(identity);
        var expected = _instance.Identity ?? SpiffeId.ForService(identity.Bundle.TrustDomain, datacenter, service);
        string? problem = null;
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    // As Consul's gateways route it; nothing is verified by this name.
                    TargetHost = $"{service}.default.{datacenter}.internal.{identity.Bundle.TrustDomain}",
                    ClientCertificateContext = identity.Context,
                    CertificateChainPolicy = identity.ServerChainPolicy(),
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    ApplicationProtocols = _protocols,
                    RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                        (problem = Judge(certificate, errors, identity, expected)) is null,
                },
                cancellationToken).ConfigureAwait(false);
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

    private static string? Judge(
        X509Certificate? certificate, SslPolicyErrors errors, IdentitySnapshot identity, SpiffeId expected)
    {
        var id = PeerVerifier.Verify(certificate, errors, identity.Bundle.TrustDomain, out var problem);
        return id is null ? problem : id == expected ? null : $"it proved to be {id}";
    }

    // A source that knows no datacenters means the one we are in. A guess would decide whom we take for the service.
    private string DatacenterOf(IdentitySnapshot identity) =>
        _instance.Datacenter.Length > 0 ? _instance.Datacenter
        : identity.Leaf.Id.TryGetService(out var own) ? own.Datacenter
        : throw new AuthenticationException(
            $"Who the peer at {Endpoint.Host}:{Endpoint.Port} has to be cannot be told: instance {_instance.Id} has no datacenter, "
            + $"and {identity.Leaf.Id}, the identity of this process, names none.");

    [LoggerMessage(20, LogLevel.Warning, "Refused instance {Instance} at {Host}:{Port}: it has to be {Expected}, but {Problem}.")]
    private static partial void LogRefused(
        ILogger logger, string instance, string host, int port, string expected, string problem);
}
