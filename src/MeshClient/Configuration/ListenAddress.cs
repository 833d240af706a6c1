using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace MeshClient.Configuration;

/// <summary>Where to listen: an address and a port, or every interface and a port.</summary>
/// <param name="Address">The address; null for every interface.</param>
/// <param name="Port">0 for a free one.</param>
internal sealed record ListenAddress(IPAddress? Address, int Port)
{
    private const string AnyPrefix = "*:";
    private const string LocalhostPrefix = "localhost:";

    public static bool TryParse(string? text, [NotNullWhen(true)] out ListenAddress? address)
    {
        address = null;
        if (text is null)
        {
            return false;
        }

        if (text.StartsWith(AnyPrefix, StringComparison.Ordinal))
        {
            // Through the same parser, so that the port is read by one rule.
            address = IPEndPoint.TryParse($"0.0.0.0:{text[AnyPrefix.Length..]}", out var any) ? new ListenAddress(null, any.Port) : null;
            return address is not null;
        }

        if (text.StartsWith(LocalhostPrefix, StringComparison.OrdinalIgnoreCase))
        {
            text = $"{IPAddress.Loopback}:{text[LocalhostPrefix.Length..]}";
        }

        // The parser takes a bare number for an IPv4 address.
        if (!text.Contains(':', StringComparison.Ordinal) || text.EndsWith(':') || !IPEndPoint.TryParse(text, out var endPoint))
        {
            return false;
        }

        // The unspecified address of IPv6 takes IPv4 as well; the one of IPv4 does not take IPv6.
        address = new ListenAddress(endPoint.Address.Equals(IPAddress.IPv6Any) ? null : endPoint.Address, endPoint.Port);
        return true;
    }
}
