using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace MeshClient.Server.HealthChecks;

/// <summary>Opens a connection, with TLS if asked to, and closes it.</summary>
internal sealed class TcpProber(ProbeDefinition probe) : Prober
{
    public override async Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken)
    {
        HostPort.TryParse(probe.Target, out var address);
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(address.Host, address.Port, cancellationToken).ConfigureAwait(false);
            if (probe.UseTls)
            {
                await HandshakeAsync(client.GetStream(), address.Host, cancellationToken).ConfigureAwait(false);
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

    private async Task HandshakeAsync(NetworkStream network, string host, CancellationToken cancellationToken)
    {
        var tls = new SslStream(network);
        await using var closing = tls.ConfigureAwait(false);
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = probe.ServerName.Length > 0 ? probe.ServerName : host,
                RemoteCertificateValidationCallback = probe.SkipVerify ? HttpProber.AnyCertificate : null,
            },
            cancellationToken).ConfigureAwait(false);
    }
}
