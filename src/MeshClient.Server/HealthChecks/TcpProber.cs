using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace MeshClient.Server.HealthChecks;

/// <summary>Opens a connection, with TLS if asked to, and closes it.</summary>
internal sealed class TcpProber(ProbeDefinition probe, NameLookUp names) : Prober
{
    private readonly HostPort _target = HostPort.Parse(probe.Target);

    public override async Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var socket = await names.ConnectAsync(_target.Host, _target.Port, cancellationToken).ConfigureAwait(false);
            if (probe.UseTls)
            {
                await HandshakeAsync(new NetworkStream(socket), cancellationToken).ConfigureAwait(false);
            }

            return new ProbeResult(CheckStatus.Passing, $"TCP connect {probe.Target}: Success");
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or OperationCanceledException)
        {
            return new ProbeResult(
                CheckStatus.Critical,
                e is OperationCanceledException ? $"dial tcp {probe.Target}: i/o timeout" : ProbeErrorText.Of(e, probe.Target));
        }
    }

    public override void Dispose()
    {
    }

    private async Task HandshakeAsync(NetworkStream network, CancellationToken cancellationToken)
    {
        var tls = new SslStream(network);
        await using var closing = tls.ConfigureAwait(false);
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = probe.ServerName.Length > 0 ? probe.ServerName : _target.Host,
                RemoteCertificateValidationCallback = probe.SkipVerify ? HttpProber.AnyCertificate : null,
            },
            cancellationToken).ConfigureAwait(false);
    }
}
