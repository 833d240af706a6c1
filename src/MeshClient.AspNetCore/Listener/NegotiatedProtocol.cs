using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace MeshClient.AspNetCore.Listener;

/// <summary>What was agreed in the handshake of TLS (ALPN).</summary>
internal static class NegotiatedProtocol
{
    public static bool IsHttp2(ConnectionContext connection) =>
        connection.Features.Get<ITlsApplicationProtocolFeature>() is { } agreed && agreed.ApplicationProtocol.Span.SequenceEqual("h2"u8);
}
