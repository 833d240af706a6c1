using System.Diagnostics.CodeAnalysis;
using MeshClient.Core.Naming;

namespace MeshClient.Discovery;

/// <summary>
/// The name of a service as it stands in an address, read the way Microsoft.Extensions.ServiceDiscovery reads it:
/// <c>https+http://_endpoint.service</c>.
/// </summary>
/// <param name="Service">The service.</param>
/// <param name="Endpoint">The named endpoint; null for the main one.</param>
/// <param name="Scheme">What the scheme asks for.</param>
internal readonly record struct DestinationName(ServiceName Service, string? Endpoint, SchemePreference Scheme)
{
    /// <summary>
    /// Reads a name. An address with a port, an IP address and <c>localhost</c> name no service: they say where to go already.
    /// </summary>
    public static bool TryParse(Uri uri, [NotNullWhen(true)] out DestinationName? name)
    {
        name = null;
        if (SchemeOf(uri) is not { } scheme || uri.HostNameType is not (UriHostNameType.Dns or UriHostNameType.Basic)
            || !(uri.IsDefaultPort || uri.Port == -1))
        {
            return false;
        }

        var host = uri.Host;
        string? endpoint = null;
        if (host.StartsWith('_'))
        {
            var dot = host.IndexOf('.', StringComparison.Ordinal);
            if (dot < 2)
            {
                return false;
            }

            endpoint = host[1..dot];
            host = host[(dot + 1)..];
        }

        if (!ServiceName.TryParse(host, out var service) || string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        name = new DestinationName(service, endpoint, scheme);
        return true;
    }

    /// <summary>What a scheme asks for; null for one that is not HTTP.</summary>
    public static SchemePreference? SchemeOf(Uri uri) => uri.Scheme switch
    {
        "http" or "ws" => SchemePreference.Http,
        "https" or "wss" => SchemePreference.Https,
        "https+http" => SchemePreference.HttpsThenHttp,
        "http+https" => SchemePreference.HttpThenHttps,
        _ => null,
    };
}
