using System.Runtime.CompilerServices;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// Who may call which endpoint, as the app's code (<see cref="MeshAllowAttribute"/>) and its configuration
/// (<see cref="MeshInboundOptions.Rules"/>) say. Each of an endpoint's rules has to allow a call.
/// </summary>
internal sealed class EndpointRules
{
    private readonly ConfiguredRule[] _configured;
    private readonly ConditionalWeakTable<Endpoint, EndpointRule[]> _found = [];
    private readonly ConditionalWeakTable<Endpoint, EndpointRule[]>.CreateValueCallback _find;
    private readonly ExemptEndpoints _exempt;
    private readonly IServiceProvider _services;

    public EndpointRules(IOptions<MeshInboundOptions> options, ExemptEndpoints exempt, IServiceProvider services)
    {
        _configured = [.. options.Value.Rules.Select(pair => new ConfiguredRule(pair.Key, pair.Value))];
        _exempt = exempt;
        _services = services;
        _find = Find;
    }

    /// <summary>The rule that keeps a peer from an endpoint; null: none does.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="peer">The caller; null: nobody the mesh knows, whom every rule keeps out.</param>
    public EndpointRule? FindDenying(Endpoint endpoint, MeshPeer? peer)
    {
        // Most apps have no rules in their configuration, and metadata is quickest to ask.
        if (_configured.Length == 0 && endpoint.Metadata.GetMetadata<MeshAllowAttribute>() is null)
        {
            return null;
        }

        foreach (var rule in _found.GetValue(endpoint, _find))
        {
            if (!rule.Callers.Allows(peer))
            {
                return rule;
            }
        }

        return null;
    }

    /// <summary>The endpoints there are now.</summary>
    public IReadOnlyList<Endpoint> Endpoints() => _services.GetRequiredService<EndpointDataSource>().Endpoints;

    /// <summary>The rules of an endpoint.</summary>
    public IReadOnlyList<EndpointRule> Of(Endpoint endpoint) => _found.GetValue(endpoint, _find);

    /// <summary>All rules of the endpoints there are now.</summary>
    public IEnumerable<(Endpoint Endpoint, EndpointRule Rule)> All() =>
        Endpoints().SelectMany(endpoint => Of(endpoint).Select(rule => (endpoint, rule)));

    /// <summary>Checks the rules against the endpoints the app has.</summary>
    /// <exception cref="InvalidOperationException">All that is wrong with them.</exception>
    public void Validate()
    {
        var endpoints = Endpoints();
        var problems = new List<string>();
        foreach (var rule in _configured.Where(rule => !endpoints.Any(rule.IsFor)))
        {
            problems.Add($"Mesh:Inbound:Rules:{rule.Key} is for {rule.Describe()}, but the app has none such, so it would protect nothing.");
        }

        foreach (var (endpoint, rule) in All())
        {
            if (rule.Callers.Unreadable is { } name)
            {
                problems.Add($"The rule of endpoint '{NameOf(endpoint)}' names the caller '{name}', which is neither a service name nor a SPIFFE id.");
            }

            if (_exempt.Contains(endpoint))
            {
                problems.Add($"Endpoint '{NameOf(endpoint)}' may be called without the mesh, and has a rule ({rule.Denial.Name}) about who in the mesh may call it. Take one of them away.");
            }
        }

        foreach (var method in endpoints.SelectMany(FindRulesOfHubMethods))
        {
            problems.Add($"[MeshAllow] stands on the method {method} of a hub, where it would protect nothing: the endpoint is the hub. Put it there, or ask for a policy with RequireMeshPeer on the method.");
        }

        if (problems.Count > 0)
        {
            throw new InvalidOperationException(string.Join(Environment.NewLine, problems.Distinct(StringComparer.Ordinal)));
        }
    }

    /// <summary>What an endpoint is called in rules: its name, its route's pattern, or what it is called for display.</summary>
    public static string NameOf(Endpoint? endpoint) =>
        endpoint?.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName
        ?? (endpoint as RouteEndpoint)?.RoutePattern.RawText
        ?? endpoint?.DisplayName
        ?? "(without name)";

    private static IEnumerable<string> FindRulesOfHubMethods(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<HubMetadata>()?.HubType.GetMethods()
            .Where(method => method.IsDefined(typeof(MeshAllowAttribute), inherit: true))
            .Select(method => $"{method.DeclaringType?.Name}.{method.Name}") ?? [];

    // What holds in shadow mode too comes first: one that is only tried must not answer for it.
    private EndpointRule[] Find(Endpoint endpoint) =>
    [
        .. endpoint.Metadata.GetOrderedMetadata<MeshAllowAttribute>()
            .OrderByDescending(attribute => attribute.IsAlwaysInForce)
            .Select(attribute => new EndpointRule($"endpoint:{NameOf(endpoint)}", attribute.List, attribute.IsAlwaysInForce)),
        .. _configured.Where(rule => rule.IsFor(endpoint)).Select(rule => rule.Rule),
    ];

    private sealed class ConfiguredRule(string key, MeshInboundRuleOptions options)
    {
        private const string AllBelow = "/**";

        public string Key => key;

        public EndpointRule Rule { get; } = new($"rule:{key}", new CallerList(options.Callers), isAlwaysInForce: false);

        public bool IsFor(Endpoint endpoint) => options.Endpoint is { } name
            ? string.Equals(endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName, name, StringComparison.Ordinal)
            : endpoint is RouteEndpoint { RoutePattern.RawText: { } pattern } && Covers(Trim(options.Route!), Trim(pattern));

        public string Describe() => options.Endpoint is { } name ? $"endpoint '{name}'" : $"route '{options.Route}'";

        // As routing compares: without case, and the slashes at both ends do not count.
        private static bool Covers(string route, string pattern) =>
            route.EndsWith(AllBelow, StringComparison.Ordinal)
                ? IsAtOrBelow(route[..^AllBelow.Length], pattern)
                : string.Equals(route, pattern, StringComparison.OrdinalIgnoreCase);

        private static bool IsAtOrBelow(string root, string pattern) =>
            pattern.StartsWith(root, StringComparison.OrdinalIgnoreCase) && (pattern.Length == root.Length || pattern[root.Length] == '/');

        private static string Trim(string pattern) => "/" + pattern.Trim('~', '/');
    }
}

/// <summary>One rule about who may call an endpoint.</summary>
internal sealed class EndpointRule(string name, CallerList callers, bool isAlwaysInForce)
{
    public CallerList Callers => callers;

    /// <summary>Whether it holds in shadow mode too.</summary>
    public bool IsAlwaysInForce => isAlwaysInForce;

    /// <summary>What it says to those it does not name.</summary>
    public InboundRule Denial { get; } = new(name, "The endpoint may be called only by services that a rule of this service names.");
}
