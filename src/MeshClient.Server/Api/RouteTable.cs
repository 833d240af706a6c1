using MeshClient.Server.AccessControl;

namespace MeshClient.Server.Api;

/// <summary>One call of the API.</summary>
internal delegate Task ApiHandler(ApiRequest request);

/// <summary>One method of one path.</summary>
/// <param name="Access">What it demands of its callers.</param>
/// <param name="Handler">What it does.</param>
internal sealed record RouteMethod(RouteAccess Access, ApiHandler Handler);

/// <summary>The methods of one path.</summary>
internal sealed class Route(string pattern)
{
    private readonly Dictionary<string, RouteMethod> _methods = new(StringComparer.Ordinal);

    /// <summary>The path as it was mapped: what metrics and the description of the API name it by.</summary>
    public string Pattern => pattern;

    public string Allow { get; private set; } = "OPTIONS";

    /// <summary>All methods, by name.</summary>
    public IReadOnlyDictionary<string, RouteMethod> Methods => _methods;

    public void Add(string method, RouteMethod action)
    {
        _methods.Add(method, action);
        Allow += "," + method;
    }

    public RouteMethod? Find(string method) => _methods.GetValueOrDefault(method);
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

    /// <summary>All routes by pattern, for tests and for the description of the API.</summary>
    public IReadOnlyDictionary<string, Route> All => _routes;

    /// <summary>Maps a route of which nobody has said yet what it demands; see <see cref="RouteAccess.Undecided"/>.</summary>
    public void Map(string method, string pattern, ApiHandler handler) => Map(method, pattern, RouteAccess.Undecided, handler);

    /// <summary>Maps a route.</summary>
    /// <param name="method">The HTTP method.</param>
    /// <param name="pattern">The path, or its beginning when it ends in a slash.</param>
    /// <param name="access">What it demands of its callers.</param>
    /// <param name="handler">What it does.</param>
    public void Map(string method, string pattern, RouteAccess access, ApiHandler handler)
    {
        if (!_routes.TryGetValue(pattern, out var route))
        {
            _routes.Add(pattern, route = new Route(pattern));
        }

        route.Add(method, new RouteMethod(access, handler));
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
