using System.Collections.Immutable;
using System.Globalization;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.State;

namespace MeshClient.Server.DiscoveryChains;

/// <summary>
/// Compiles the chain of a service. Behaves as Consul's compiler was seen to: the protocol is that of the service, or else
/// of all; a router comes first, then a splitter, then a resolver. A route or leg that names a subset goes to that subset's
/// resolver at once; one that does not goes through the splitter of its service. A resolver follows its redirect until there
/// is none, then takes the default subset; failover leads to what the resolver of the other place makes of it, without that
/// one's own failover. Legs that lead to splitters are folded in, their weights multiplied.
/// </summary>
/// <remarks>
/// The same entries always give the same chain, and compiling always ends: a node is made once, redirects that come round are
/// refused and so are splitters that do, and what grows with the product of entries is bounded.
/// </remarks>
internal sealed class ChainCompiler
{
    /// <summary>How long connecting may take when nobody says otherwise (Consul's default).</summary>
    public static readonly GoDuration DefaultConnectTimeout = GoDuration.From(TimeSpan.FromSeconds(5));

    /// <summary>How many legs a splitter may have once all splitters it leads to are folded in.</summary>
    public const int MaxLegs = 1000;

    /// <summary>How many splitters may follow one another.</summary>
    public const int MaxSplitters = 100;

    /// <summary>How many redirects may follow one another.</summary>
    public const int MaxRedirects = 100;

    private readonly ConfigTable _entries;
    private readonly string _service;
    private readonly string _datacenter;
    private readonly string _home;
    private readonly ChainOverrides _overrides;
    private readonly bool _routes;
    private readonly Dictionary<string, ChainNode> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ChainTarget> _targets = new(StringComparer.Ordinal);
    private readonly HashSet<string> _services = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _customized = new(StringComparer.Ordinal);
    private string? _protocol;

    private ChainCompiler(ConfigTable entries, string service, string datacenter, string home, ChainOverrides overrides)
    {
        _home = home;
        _entries = entries;
        _service = service;
        _datacenter = datacenter;
        _overrides = overrides;
        _routes = overrides.Protocol.Length == 0 || IsHttp(overrides.Protocol);
    }

    /// <summary>Compiles a chain.</summary>
    /// <param name="entries">The entries.</param>
    /// <param name="service">The service calls go to.</param>
    /// <param name="datacenter">Where they go when nothing else is said.</param>
    /// <param name="home">Where they come from; a gateway is on the way to all other datacenters.</param>
    /// <param name="overrides">What the caller wants otherwise.</param>
    /// <exception cref="ChainException">The entries do not make a chain.</exception>
    public static DiscoveryChain Compile(ConfigTable entries, string service, string datacenter, string home, ChainOverrides overrides) =>
        new ChainCompiler(entries, service, datacenter, home, overrides).Compile();

    /// <summary>Compiles the chain of calls that stay in their datacenter, with nothing overridden.</summary>
    /// <exception cref="ChainException">The entries do not make a chain.</exception>
    public static DiscoveryChain Compile(ConfigTable entries, string service, string datacenter) =>
        Compile(entries, service, datacenter, datacenter, ChainOverrides.None);

    /// <summary>What a chain is made of, as far as it can be compiled: for whose change its watchers wait.</summary>
    public static Topic[] TopicsOf(ConfigTable entries, string service, string datacenter)
    {
        var compiler = new ChainCompiler(entries, service, datacenter, datacenter, ChainOverrides.None);
        try
        {
            compiler.Compile();
        }
        catch (ChainException)
        {
            // As far as it got.
        }

        return [Topic.Chain(string.Empty), .. compiler._services.Order(StringComparer.Ordinal).Select(Topic.Chain)];
    }

    /// <summary>Whether a protocol is one whose requests can be routed.</summary>
    public static bool IsHttp(string protocol) => protocol.ToLowerInvariant() is "http" or "http2" or "grpc";

    /// <summary>The protocol of a service. One with defaults of its own does not take that of all, even if it names none.</summary>
    public static string ProtocolOf(ConfigTable entries, string service)
    {
        var protocol = entries.Find<ServiceDefaultsEntry>(ConfigKinds.ServiceDefaults, service) is { } own
            ? own.Protocol
            : entries.ProxyDefaults?.Protocol ?? string.Empty;
        return protocol.Length == 0 ? "tcp" : protocol.ToLowerInvariant();
    }

    private DiscoveryChain Compile()
    {
        Record(_service);
        var router = _routes ? _entries.Find<RouterEntry>(ConfigKinds.ServiceRouter, _service) : null;
        var start = router is null ? SplitterOrResolver(_service, string.Empty, depth: 0) : Router(router);
        if (_nodes.Values.Any(node => node is not ResolverNode) && !IsHttp(_protocol!))
        {
            throw new ChainException(
                $"discovery chain \"{_service}\" uses a protocol \"{_protocol}\" that does not permit advanced routing or splitting behavior");
        }

        RefuseCircles(start);
        Flatten();
        KeepOnlyWhatIsReached(start);
        var protocol = _protocol!;
        if (_overrides.Protocol.Length > 0 && _overrides.Protocol != protocol)
        {
            protocol = _overrides.Protocol;
            _customized.Add($"protocol {protocol}");
        }

        return new DiscoveryChain
        {
            Service = _service,
            Datacenter = _datacenter,
            CustomizationHash = _customized.Count == 0 ? null : Hash(),
            IsDefault = _nodes[start] is ResolverNode { IsDefault: true } node && _targets[node.Target].Place.Service == _service,
            Protocol = protocol,
            StartNode = start,
            Nodes = _nodes.ToImmutableSortedDictionary(StringComparer.Ordinal),
            Targets = _targets.ToImmutableSortedDictionary(StringComparer.Ordinal),
        };
    }

    // All services of a chain speak one protocol: that of the first.
    private void Record(string service)
    {
        _services.Add(service);
        var protocol = ProtocolOf(_entries, service);
        _protocol ??= protocol;
        if (protocol != _protocol)
        {
            throw new ChainException(
                $"discovery chain \"{_service}\" uses inconsistent protocols; service \"{service}\" has \"{protocol}\" which is not \"{_protocol}\"");
        }
    }

    private string Router(RouterEntry router)
    {
        var routes = ImmutableArray.CreateBuilder<ChainRoute>();
        foreach (var route in router.Routes)
        {
            var service = route.Service.Length == 0 ? _service : route.Service;
            routes.Add(new ChainRoute(route.Definition, SplitterOrResolver(service, route.Subset, depth: 0)));
        }

        routes.Add(new ChainRoute(ChainJson.CatchAllRoute(_service), SplitterOrResolver(_service, string.Empty, depth: 0)));
        return Add(new RouterNode($"{_service}.default", routes.ToImmutable()));
    }

    private string SplitterOrResolver(string service, string subset, int depth)
    {
        if (subset.Length == 0 && _routes && _entries.Find<SplitterEntry>(ConfigKinds.ServiceSplitter, service) is { } splitter)
        {
            return Splitter(splitter, depth);
        }

        return Resolver(new ChainPlace(service, subset, _datacenter));
    }

    private string Splitter(SplitterEntry splitter, int depth)
    {
        Record(splitter.Name);
        if (depth > MaxSplitters)
        {
            throw new ChainException($"discovery chain \"{_service}\" has more than {MaxSplitters} splitters one after the other");
        }

        // There before its legs are, so that one which leads back here ends.
        var node = new SplitterNode($"{splitter.Name}.default", [], null);
        if (_nodes.ContainsKey(node.Key))
        {
            return node.Key;
        }

        Add(node);
        var splits = ImmutableArray.CreateBuilder<ChainSplit>();
        foreach (var leg in splitter.Legs)
        {
            var service = leg.Service.Length == 0 ? splitter.Name : leg.Service;
            var next = service == splitter.Name
                ? Resolver(new ChainPlace(service, leg.Subset, _datacenter))
                : SplitterOrResolver(service, leg.Subset, depth + 1);
            splits.Add(new ChainSplit(leg.Weight, leg.Definition, next));
        }

        var balancer = splits.Select(split => (_nodes[split.NextNode] as ResolverNode)?.LoadBalancer).FirstOrDefault(found => found is not null);
        _nodes[node.Key] = node with { Splits = splits.ToImmutable(), LoadBalancer = balancer };
        return node.Key;
    }

    private string Resolver(ChainPlace place)
    {
        var (target, resolver) = Resolve(place);
        var key = $"{ResolverNode.TypeName}:{target.Id}";
        if (_nodes.ContainsKey(key))
        {
            return key;
        }

        if (_overrides.ConnectTimeout.Nanoseconds > 0)
        {
            _customized.Add($"connect time-out {_overrides.ConnectTimeout}");
        }

        return Add(new ResolverNode(target.Id)
        {
            Target = target.Id,
            IsDefault = resolver is null,
            ConnectTimeout = _overrides.ConnectTimeout.Nanoseconds > 0 ? _overrides.ConnectTimeout
                : resolver is { ConnectTimeout.Nanoseconds: > 0 } ? resolver.ConnectTimeout
                : DefaultConnectTimeout,
            RequestTimeout = resolver?.RequestTimeout ?? default,
            Failover = FailoverOf(target, resolver),
            LoadBalancer = resolver?.LoadBalancer,
        });
    }

    private ChainFailover? FailoverOf(ChainPlace target, ResolverEntry? resolver)
    {
        if (resolver is null
            || !(resolver.Failover.TryGetValue(target.Subset, out var failover) || resolver.Failover.TryGetValue(ResolverEntry.AnySubset, out failover)))
        {
            return null;
        }

        var targets = ImmutableArray.CreateBuilder<string>();
        foreach (var place in failover.Places)
        {
            var other = target.To(place.Service, place.Subset, place.Datacenter);
            if (other != target)
            {
                targets.Add(Resolve(other).Target.Id);
            }
        }

        return targets.Count == 0 ? null : new ChainFailover(targets.ToImmutable(), failover.Policy);
    }

    /// <summary>Follows redirects and the default subset, and makes the target they lead to.</summary>
    private (ChainPlace Target, ResolverEntry? Resolver) Resolve(ChainPlace place)
    {
        var seen = new List<string>();
        while (true)
        {
            Record(place.Service);
            var resolver = _entries.Find<ResolverEntry>(ConfigKinds.ServiceResolver, place.Service);
            if (seen.Count > MaxRedirects)
            {
                throw new ChainException($"discovery chain \"{_service}\" has more than {MaxRedirects} redirects one after the other");
            }

            if (seen.Contains(place.Id, StringComparer.Ordinal))
            {
                throw new ChainException($"detected circular resolver redirect: [{string.Join(" -> ", seen.Append(place.Id))}]");
            }

            seen.Add(place.Id);
            if (resolver?.Redirect is { } redirect && place.To(redirect.Service, redirect.Subset, redirect.Datacenter) is var next && next != place)
            {
                place = next;
                continue;
            }

            if (place.Subset.Length == 0 && resolver?.DefaultSubset is { Length: > 0 } subset)
            {
                place = place with { Subset = subset };
                continue;
            }

            AddTarget(place, resolver);
            return (place, resolver);
        }
    }

    private void AddTarget(ChainPlace place, ResolverEntry? resolver)
    {
        var subset = ResolverSubset.All;
        if (place.Subset.Length > 0 && !(resolver?.Subsets.TryGetValue(place.Subset, out subset!) ?? false))
        {
            throw new ChainException($"service \"{place.Service}\" does not have a subset named \"{place.Subset}\"");
        }

        var defaults = _entries.Find<ServiceDefaultsEntry>(ConfigKinds.ServiceDefaults, place.Service);
        var sni = defaults?.ExternalSni ?? string.Empty;
        var forbidden = sni.Length == 0 || resolver is null ? null
            : resolver.Redirect is not null ? "redirects"
            : resolver.Subsets.Count > 0 ? "subsets"
            : resolver.Failover.Count > 0 ? "failover"
            : null;
        if (forbidden is not null)
        {
            throw new ChainException($"service \"{place.Service}\" has an external SNI set; cannot define {forbidden} for external services");
        }

        _targets[place.Id] = new ChainTarget(place)
        {
            Subset = subset,
            MeshGatewayMode = place.Datacenter == _home || sni.Length > 0 ? string.Empty : GatewayModeOf(defaults),
            ExternalSni = sni,
            PrioritizeByLocality = resolver?.PrioritizeByLocality,
        };
    }

    private string GatewayModeOf(ServiceDefaultsEntry? defaults)
    {
        var mode = defaults is { MeshGatewayMode.Length: > 0 } ? defaults.MeshGatewayMode : _entries.ProxyDefaults?.MeshGatewayMode ?? string.Empty;
        if (_overrides.MeshGatewayMode.Length == 0 || _overrides.MeshGatewayMode == mode)
        {
            return mode;
        }

        _customized.Add($"gateway {_overrides.MeshGatewayMode}");
        return _overrides.MeshGatewayMode;
    }

    private string Add(ChainNode node)
    {
        _nodes[node.Key] = node;
        return node.Key;
    }

    private static IEnumerable<string> NextOf(ChainNode node) => node switch
    {
        RouterNode router => router.Routes.Select(route => route.NextNode),
        SplitterNode splitter => splitter.Splits.Select(split => split.NextNode),
        _ => [],
    };

    private void RefuseCircles(string start)
    {
        var path = new List<string>();
        var done = new HashSet<string>(StringComparer.Ordinal);
        Visit(start);

        void Visit(string key)
        {
            if (path.Contains(key, StringComparer.Ordinal))
            {
                throw new ChainException($"detected circular reference: [{string.Join(" -> ", path.Append(key))}]");
            }

            if (!done.Add(key))
            {
                return;
            }

            path.Add(key);
            foreach (var next in NextOf(_nodes[key]))
            {
                Visit(next);
            }

            path.RemoveAt(path.Count - 1);
        }
    }

    private void Flatten()
    {
        var done = new HashSet<string>(StringComparer.Ordinal);
        foreach (var splitter in _nodes.Values.OfType<SplitterNode>().Select(node => node.Key).Order(StringComparer.Ordinal).ToList())
        {
            Fold(splitter);
        }

        SplitterNode Fold(string key)
        {
            var node = (SplitterNode)_nodes[key];
            if (!done.Add(key))
            {
                return node;
            }

            var splits = ImmutableArray.CreateBuilder<ChainSplit>();
            foreach (var split in node.Splits)
            {
                if (_nodes[split.NextNode] is SplitterNode)
                {
                    splits.AddRange(Fold(split.NextNode).Splits.Select(inner => inner with
                    {
                        Weight = split.Weight * inner.Weight / 100,
                        Definition = ChainJson.MergeLegs(split.Definition, inner.Definition),
                    }));
                }
                else
                {
                    splits.Add(split);
                }

                if (splits.Count > MaxLegs)
                {
                    throw new ChainException($"discovery chain \"{_service}\" splits into more than {MaxLegs} legs");
                }
            }

            var folded = node with { Splits = splits.ToImmutable() };
            _nodes[key] = folded;
            return folded;
        }
    }

    private void KeepOnlyWhatIsReached(string start)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var targets = new HashSet<string>(StringComparer.Ordinal);
        var open = new Queue<string>([start]);
        while (open.TryDequeue(out var key))
        {
            if (!reached.Add(key))
            {
                continue;
            }

            foreach (var next in NextOf(_nodes[key]))
            {
                open.Enqueue(next);
            }

            if (_nodes[key] is ResolverNode resolver)
            {
                targets.Add(resolver.Target);
                targets.UnionWith(resolver.Failover?.Targets ?? []);
            }
        }

        foreach (var key in _nodes.Keys.Where(key => !reached.Contains(key)).ToList())
        {
            _nodes.Remove(key);
        }

        foreach (var id in _targets.Keys.Where(id => !targets.Contains(id)).ToList())
        {
            _targets.Remove(id);
        }
    }

    // Opaque, and different when what was overridden is: FNV-1a, which needs no package.
    private string Hash()
    {
        const uint offset = 2166136261;
        const uint prime = 16777619;
        var hash = offset;
        foreach (var c in string.Join('\n', _customized))
        {
            hash = (hash ^ c) * prime;
        }

        return hash.ToString("x8", CultureInfo.InvariantCulture);
    }
}
