using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>Sends a request line as it is written, which a handler would tidy up first.</summary>
internal static class RawCaller
{
    public static Task<SslStream> ConnectAsync(InboundTestHost host, string service) =>
        ConnectAsync(host, host.ControlPlane.Authority.IssueLeaf(ServiceName.Parse(service)));

    public static async Task<SslStream> ConnectAsync(InboundTestHost host, LeafCertificate leaf, SslApplicationProtocol? protocol = null)
    {
        var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, host.MeshPort, TestContext.Current.CancellationToken);
        var tls = new SslStream(client.GetStream());
        var options = MeshCaller.TlsOptions(host.ControlPlane.Authority.Bundle, MeshCaller.ContextOf(leaf));
        options.ApplicationProtocols = protocol is { } one ? [one] : null;
        await tls.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken).Bounded();
        return tls;
    }

    /// <summary>The status code and the whole answer.</summary>
    public static async Task<(int Status, string Text)> SendAsync(
        InboundTestHost host, string service, string requestLine, string? headers = null)
    {
        await using var tls = await ConnectAsync(host, service);
        await tls.WriteAsync(
            Encoding.ASCII.GetBytes($"{requestLine} HTTP/1.1\r\nHost: orders\r\n{(headers is null ? string.Empty : headers + "\r\n")}Connection: close\r\n\r\n"),
            TestContext.Current.CancellationToken);
        using var reader = new StreamReader(tls, Encoding.ASCII);
        var text = await reader.ReadToEndAsync(TestContext.Current.CancellationToken).Bounded();
        return (int.Parse(text.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture), text);
    }
}
