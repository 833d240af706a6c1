using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Server.Api;

/// <summary>One call of the API.</summary>
internal delegate Task ApiHandler(ApiRequest request);

/// <summary>The methods of one path.</summary>
internal sealed class Route
{
    private readonly Dictionary<string, ApiHandler> _handlers = new(StringComparer.Ordinal);

    public string Allow { get; private set; } = "OPTIONS";

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

    /// <summary>All patterns, for tests.</summary>
    public IReadOnlyCollection<string> Patterns => _routes.Keys;

    public void Map(string method, string pattern, ApiHandler handler)
    {
        if (!_routes.TryGetValue(pattern, out var route))
        {
            _routes.Add(pattern, route = new Route());
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
