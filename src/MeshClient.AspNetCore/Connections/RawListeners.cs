using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Listener;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Connections;

/// <summary>The listeners of the mesh for other protocols than HTTP.</summary>
internal sealed class RawListeners(MeshTlsPolicy tls, ConnectionGuard guard, IOptions<MeshInboundOptions> options)
{
    // As it has to stand in a host name, before the dot.
    private const int LongestName = 62;

    private readonly List<(string? Endpoint, ListenOptions Listener)> _listeners = [];

    /// <summary>Whether one of them is what callers reach by the service's own name.</summary>
    public bool HasMain => Find(null) is not null;

    /// <summary>Where the main one really listens; null before the server has bound, or when there is none.</summary>
    public IPEndPoint? MainEndPoint => Bound(Find(null));

    /// <summary>The named ones, and where they really listen.</summary>
    public IEnumerable<(string Endpoint, IPEndPoint EndPoint)> Named =>
        from one in _listeners
        where one.Endpoint is not null && Bound(one.Listener) is not null
        select (one.Endpoint!, Bound(one.Listener)!);

    /// <summary>Puts a listener into the mesh. Called while the server is configured.</summary>
    public void Add(ListenOptions listener, string? endpoint)
    {
        if (!options.Value.Enabled)
        {
            if (listener.IPEndPoint is { } open && !IPAddress.IsLoopback(open.Address))
            {
                throw new InvalidOperationException(
                    $"Mesh:Inbound:Enabled is false, so {listener}, which is for the mesh, would take connections from anybody, in plaintext: let it listen on a loopback address, or do not add it.");
            }

            return;
        }

        if (endpoint is not null && (endpoint.Length is 0 or > LongestName || !endpoint.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')))
        {
            throw new InvalidOperationException($"'{endpoint}' cannot be the name of an endpoint: small letters, digits and - are allowed.");
        }

        if (Find(endpoint) is { } other)
        {
            throw new InvalidOperationException(
                $"Both {other} and {listener} are {(endpoint is null ? "the main endpoint of the service" : $"endpoint '{endpoint}'")}; give one of them another name: UseMesh(\"admin\").");
        }

        _listeners.Add((endpoint, listener));
        // Below TLS: see there.
        listener.Use(next => connection =>
        {
            TurnReader.PutUnder(connection);
            return next(connection);
        });
        tls.Use(listener, protocols: null);
        listener.Use(next => connection => guard.ServeAsync(connection, next));
    }

    private ListenOptions? Find(string? endpoint) => _listeners.Find(one => one.Endpoint == endpoint).Listener;

    private static IPEndPoint? Bound(ListenOptions? listener) => listener?.IPEndPoint is { Port: > 0 } endPoint ? endPoint : null;
}
