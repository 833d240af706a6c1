using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Server.Api;

/// <summary>One call of the API.</summary>
internal delegate Task ApiHandler(ApiRequest request);

/// <summary>The methods of one path.</summary>
internal sealed class Route(string pattern)
{
    private readonly Dictionary<string, ApiHandler> _handlers = new(StringComparer.Ordinal);

    /// <summary>The path as it was mapped: what metrics and the description of the API name it by.</summary>
    public string Pattern => pattern;

    public string Allow { get; private set; } = "OPTIONS";

    public IReadOnlyCollection<string> Methods => _handlers.Keys;

    public void Add(string method, ApiHandler handler)
    {
        _handlers.Add(method, handler);
        Allow += "," + method;
    }

    public bool TryGet(string method, [NotNullWhen(true)] out ApiHandler? handler) => _handlers.TryGetValue(method, out handler);
}

/// <summary>
/// Finds the route of a path by Consul's rules, which are those of Go's ServeMux: a pattern that ends in a slash takes every
/// path below it, of several the longest; any other takes its own path only; case and trailing slashes matter.
/// </summary>
internal sealed class RouteTable
{
    private readonly Dictionary<string, Route> _routes = new(StringComparer.Ordinal);

    /// <summary>All routes.</summary>
    public IReadOnlyCollection<Route> Routes => _routes.Values;

    public void Map(string method, string pattern, ApiHandler handler)
    {
        if (!_routes.TryGetValue(pattern, out var route))
        {
            _routes.Add(pattern, route = new Route(pattern));
        }

        route.Add(method, handler);
    }

    /// <summary>Finds a route and the part of the path below its pattern.</summary>
    /// <param name="path">The path with its escapes.</param>
    /// <param name="rest">The part below, with its escapes.</param>
    public Route? Find(string path, out string rest)
    {
        rest = string.Empty;
        if (_routes.TryGetValue(path, out var route))
        {
            return route;
        }

        for (var slash = path.LastIndexOf('/'); slash > 0; slash = path.LastIndexOf('/', slash - 1))
        {
            if (_routes.TryGetValue(path[..(slash + 1)], out route))
            {
                rest = path[(slash + 1)..];
                return route;
            }
        }

        return null;
    }
}
