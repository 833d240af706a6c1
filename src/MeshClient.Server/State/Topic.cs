namespace MeshClient.Server.State;

/// <summary>What a watcher can wait for: a whole table, or one name in it.</summary>
internal enum TopicKind
{
    Services,
    Nodes,
    Node,
    Checks,
    Intentions,
    Roots,
    Config,
    ConfigKind,
    ConfigEntry,
    Chain,
    Queries,
    Service,
    Connect,
    Leaf,
    AccessPolicies,
    AccessTokens,
    AuthMethods,
    BindingRules,
    Key,
    KeyPrefix,
    Sessions,
    Events,
}

/// <summary>Something that changes, and for whose change a parked query waits.</summary>
internal readonly record struct Topic(TopicKind Kind, string Name)
{
    public static readonly Topic Services = new(TopicKind.Services, string.Empty);
    public static readonly Topic Nodes = new(TopicKind.Nodes, string.Empty);
    public static readonly Topic Checks = new(TopicKind.Checks, string.Empty);
    public static readonly Topic Intentions = new(TopicKind.Intentions, string.Empty);
    public static readonly Topic Roots = new(TopicKind.Roots, string.Empty);
    public static readonly Topic Config = new(TopicKind.Config, string.Empty);
    public static readonly Topic AccessPolicies = new(TopicKind.AccessPolicies, string.Empty);
    public static readonly Topic AccessTokens = new(TopicKind.AccessTokens, string.Empty);
    public static readonly Topic AuthMethods = new(TopicKind.AuthMethods, string.Empty);
    public static readonly Topic BindingRules = new(TopicKind.BindingRules, string.Empty);
    public static readonly Topic Queries = new(TopicKind.Queries, string.Empty);

    public static readonly Topic Sessions = new(TopicKind.Sessions, string.Empty);
    public static readonly Topic Events = new(TopicKind.Events, string.Empty);

    /// <summary>A key. Touching it wakes the watchers of its prefixes too.</summary>
    public static Topic Key(string key) => new(TopicKind.Key, key);

    /// <summary>All keys that begin with a text; only to be watched.</summary>
    public static Topic KeyPrefix(string prefix) => new(TopicKind.KeyPrefix, prefix);

    /// <summary>A node and everything on it; names are looked up without regard to case.</summary>
    public static Topic NodeNamed(string name) => new(TopicKind.Node, name.ToLowerInvariant());

    /// <summary>The instances of a service; names are looked up without regard to case.</summary>
    public static Topic Service(string name) => new(TopicKind.Service, name.ToLowerInvariant());

    /// <summary>The instances that speak for a service in the mesh.</summary>
    public static Topic Connect(string name) => new(TopicKind.Connect, name.ToLowerInvariant());

    /// <summary>The certificate of a service; exact name, as it is in the certificate.</summary>
    public static Topic Leaf(string name) => new(TopicKind.Leaf, name);

    /// <summary>The config entries of a kind.</summary>
    public static Topic ConfigKind(string kind) => new(TopicKind.ConfigKind, kind);

    /// <summary>One config entry.</summary>
    public static Topic ConfigEntry(string kind, string name) => new(TopicKind.ConfigEntry, $"{kind}/{name}");

    /// <summary>What the discovery chains of a service are made of; of the empty name, what those of all services are.</summary>
    public static Topic Chain(string service) => new(TopicKind.Chain, service);
}
