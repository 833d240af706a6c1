using System.Globalization;

namespace MeshClient.Server.HealthChecks;

/// <summary>A host and a port, as <c>host:port</c>; an IPv6 address stands in brackets.</summary>
internal readonly record struct HostPort(string Host, int Port)
{
    /// <exception cref="FormatException">It is not that.</exception>
    public static HostPort Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not host:port.");

    public static bool TryParse(string text, out HostPort address)
    {
        address = default;
        var colon = text.LastIndexOf(':');
        if (colon <= 0
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port is < 1 or > 65535)
        {
            return false;
        }

        var host = text[..colon];
        var bare = host is ['[', .., ']'] ? host[1..^1] : host;
        if (Uri.CheckHostName(bare) == UriHostNameType.Unknown || (bare.Contains(':', StringComparison.Ordinal) && bare == host))
        {
            return false;
        }

        address = new HostPort(bare, port);
        return true;
    }
}
