using System.Collections.Immutable;
using System.Text.Json;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>One config entry. Immutable.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Name">Its name, unique in the kind.</param>
/// <param name="Json">All of it but its indexes, in its one form.</param>
internal abstract record ConfigEntry(string Kind, string Name, string Json)
{
    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    /// <summary>The services its chain leads on to.</summary>
    public virtual IEnumerable<string> LinkedServices => [];

    /// <summary>Makes an entry of its one form.</summary>
    public static ConfigEntry Create(string kind, string name, string json)
    {
        using var document = JsonDocument.Parse(json);
        var body = document.RootElement;
        return kind switch
        {
            ConfigKinds.ProxyDefaults => new ProxyDefaultsEntry(name, json, body),
            ConfigKinds.ServiceDefaults => new ServiceDefaultsEntry(name, json, body),
            ConfigKinds.ServiceRouter => new RouterEntry(name, json, body),
            ConfigKinds.ServiceSplitter => new SplitterEntry(name, json, body),
            ConfigKinds.ServiceResolver => new ResolverEntry(name, json, body),
            _ => new StoredEntry(kind, name, json),
        };
    }
}

/// <summary>An entry that is kept and given back, and has no effect here.</summary>
internal sealed record StoredEntry(string Kind, string Name, string Json) : ConfigEntry(Kind, Name, Json);

/// <summary>What holds for all services.</summary>
internal sealed record ProxyDefaultsEntry : ConfigEntry
{
    /// <summary>The only name it can have.</summary>
    public const string GlobalName = "global";

    public ProxyDefaultsEntry(string name, string json, JsonElement body)
        : base(ConfigKinds.ProxyDefaults, name, json)
    {
        MeshGatewayMode = body.Part("MeshGateway").Text("Mode");
        foreach (var pair in body.Pairs("Config"))
        {
            if (string.Equals(pair.Name, "protocol", StringComparison.OrdinalIgnoreCase) && pair.Value.ValueKind == JsonValueKind.String)
            {
                Protocol = pair.Value.GetString()!;
            }
        }
    }

    public string Protocol { get; } = string.Empty;

    public string MeshGatewayMode { get; }
}

/// <summary>What holds for one service.</summary>
internal sealed record ServiceDefaultsEntry : ConfigEntry
{
    public ServiceDefaultsEntry(string name, string json, JsonElement body)
        : base(ConfigKinds.ServiceDefaults, name, json)
    {
        Protocol = body.Text("Protocol");
        MeshGatewayMode = body.Part("MeshGateway").Text("Mode");
        ExternalSni = body.Text("ExternalSNI");
    }

    public string Protocol { get; }

    public string MeshGatewayMode { get; }

    /// <summary>Not empty for a service outside the mesh.</summary>
    public string ExternalSni { get; }
}

/// <summary>One route of a router.</summary>
/// <param name="Definition">The route as it was written.</param>
/// <param name="Service">Where it leads; empty: to the router's own service.</param>
/// <param name="Subset">To which of its instances; empty: not said.</param>
internal sealed record RouterRoute(string Definition, string Service, string Subset);

/// <summary>Leads calls by path, header, query and method.</summary>
internal sealed record RouterEntry : ConfigEntry
{
    public RouterEntry(string name, string json, JsonElement body)
        : base(ConfigKinds.ServiceRouter, name, json) =>
        Routes =
        [
            .. body.Items("Routes").Select(route => new RouterRoute(
                route.GetRawText(), route.Part("Destination").Text("Service"), route.Part("Destination").Text("ServiceSubset"))),
        ];

    public ImmutableArray<RouterRoute> Routes { get; }

    public override IEnumerable<string> LinkedServices => Routes.Select(route => route.Service);
}

/// <summary>One leg of a splitter.</summary>
/// <param name="Weight">Its share of the calls, in percent.</param>
/// <param name="Definition">The leg as it was written.</param>
/// <param name="Service">Where it leads; empty: to the splitter's own service.</param>
/// <param name="Subset">To which of its instances; empty: not said.</param>
internal sealed record SplitterLeg(decimal Weight, string Definition, string Service, string Subset);

/// <summary>Spreads calls by weight.</summary>
internal sealed record SplitterEntry : ConfigEntry
{
    public SplitterEntry(string name, string json, JsonElement body)
        : base(ConfigKinds.ServiceSplitter, name, json) =>
        Legs =
        [
            .. body.Items("Splits").Select(leg => new SplitterLeg(
                leg.Part("Weight").GetDecimal(), leg.GetRawText(), leg.Text("Service"), leg.Text("ServiceSubset"))),
        ];

    public ImmutableArray<SplitterLeg> Legs { get; }

    public override IEnumerable<string> LinkedServices => Legs.Select(leg => leg.Service);
}

/// <summary>Some of the instances of a service.</summary>
internal sealed record ResolverSubset(string Filter, bool OnlyPassing)
{
    public static readonly ResolverSubset All = new(string.Empty, false);
}

/// <summary>Another place to go to; what is empty stays as it was.</summary>
internal sealed record ResolverPlace(string Service, string Subset, string Datacenter);

/// <summary>Where to go when there is nobody left.</summary>
/// <param name="Places">The places, best first.</param>
/// <param name="Policy">How to choose among them, as it was written; null: not said.</param>
internal sealed record ResolverFailover(ImmutableArray<ResolverPlace> Places, string? Policy);

/// <summary>Says which instances a service has.</summary>
internal sealed record ResolverEntry : ConfigEntry
{
    /// <summary>Stands for every subset that has no failover of its own.</summary>
    public const string AnySubset = "*";

    public ResolverEntry(string name, string json, JsonElement body)
        : base(ConfigKinds.ServiceResolver, name, json)
    {
        DefaultSubset = body.Text("DefaultSubset");
        ConnectTimeout = body.Duration("ConnectTimeout");
        RequestTimeout = body.Duration("RequestTimeout");
        Subsets = body.Pairs("Subsets").ToImmutableSortedDictionary(
            pair => pair.Name, pair => new ResolverSubset(pair.Value.Text("Filter"), pair.Value.Flag("OnlyPassing")), StringComparer.Ordinal);
        Redirect = body.Part("Redirect") is var redirect && redirect.Exists() ? PlaceOf(redirect) : null;
        Failover = body.Pairs("Failover").ToImmutableSortedDictionary(pair => pair.Name, pair => FailoverOf(pair.Value), StringComparer.Ordinal);
        LoadBalancer = body.Json("LoadBalancer");
        PrioritizeByLocality = body.Json("PrioritizeByLocality");
    }

    public string DefaultSubset { get; }

    /// <summary>Zero: the default.</summary>
    public GoDuration ConnectTimeout { get; }

    /// <summary>Zero: the default.</summary>
    public GoDuration RequestTimeout { get; }

    public ImmutableSortedDictionary<string, ResolverSubset> Subsets { get; }

    public ResolverPlace? Redirect { get; }

    /// <summary>By subset, or <see cref="AnySubset"/>.</summary>
    public ImmutableSortedDictionary<string, ResolverFailover> Failover { get; }

    public string? LoadBalancer { get; }

    public string? PrioritizeByLocality { get; }

    public override IEnumerable<string> LinkedServices =>
        Failover.Values.SelectMany(failover => failover.Places.Select(place => place.Service)).Append(Redirect?.Service ?? string.Empty);

    private static ResolverPlace PlaceOf(JsonElement element) =>
        new(element.Text("Service"), element.Text("ServiceSubset"), element.Text("Datacenter"));

    private static ResolverFailover FailoverOf(JsonElement element)
    {
        var place = PlaceOf(element);
        ImmutableArray<ResolverPlace> places =
        [
            .. element.Items("Targets").Any() ? element.Items("Targets").Select(PlaceOf)
                : element.Items("Datacenters").Any() ? element.Texts("Datacenters").Select(datacenter => place with { Datacenter = datacenter })
                : [place],
        ];
        return new ResolverFailover(places, element.Json("Policy"));
    }
}
