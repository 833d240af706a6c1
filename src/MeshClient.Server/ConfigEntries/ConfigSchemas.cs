namespace MeshClient.Server.ConfigEntries;

/// <summary>The form of each kind of entry: the fields of Consul 1.8.7 and of newer versions, in the order they are given back.</summary>
internal static class ConfigSchemas
{
    private static readonly ConfigShape Text = new TextShape();
    private static readonly ConfigShape Texts = new ListShape(Text);
    private static readonly ConfigShape Flag = new FlagShape();
    private static readonly ConfigShape Number = new NumberShape();
    private static readonly ConfigShape Count = new NumberShape(minimum: 0, maximum: uint.MaxValue);
    private static readonly ConfigShape Counts = new ListShape(Count);
    private static readonly ConfigShape Limit = new NumberShape(minimum: 0, keepsZero: true);
    private static readonly ConfigShape Duration = new DurationShape();
    private static readonly ConfigShape TextMap = new MapShape(Text);
    private static readonly ConfigShape Free = new FreeShape();

    private static readonly ConfigField Kind = new("Kind", Text);
    private static readonly ConfigField Name = new("Name", Text);
    private static readonly ConfigField Meta = new("Meta", TextMap);

    // What clients send along that give back what they read.
    private static readonly ConfigField[] Ignored =
        [new("CreateIndex", new IgnoredShape()), new("ModifyIndex", new IgnoredShape()), new("Hash", new IgnoredShape())];

    private static readonly ConfigShape MeshGateway = Part(new ConfigField("Mode", Text));

    private static readonly ConfigShape Expose = Part(
        new("Checks", Flag),
        new("Paths", new ListShape(Part(
            new("ListenerPort", Number),
            new("Path", Text),
            new("LocalPathPort", Number),
            new("Protocol", Text),
            new("ParsedFromCheck", Flag, IsAlways: true)))));

    private static readonly ConfigShape TransparentProxy = Part(new("OutboundListenerPort", Number), new("DialedDirectly", Flag));

    private static readonly ConfigShape EnvoyExtensions = new ListShape(Part(
        new("Name", Text),
        new("Required", Flag),
        new("Arguments", new FreeMapShape()),
        new("ConsulVersion", Text),
        new("EnvoyVersion", Text)));

    private static readonly ConfigShape PrioritizeByLocality = Pointer(new ConfigField("Mode", Text));
    private static readonly ConfigShape FailoverPolicy = Pointer(new("Mode", Text), new("Regions", Texts));
    private static readonly ConfigShape HeaderModifiers = Pointer(new("Add", TextMap), new("Set", TextMap), new("Remove", Texts));

    private static readonly ConfigShape Upstream = Part(
        new("Name", Text),
        new("Peer", Text),
        new("EnvoyListenerJSON", Text),
        new("EnvoyClusterJSON", Text),
        new("Protocol", Text),
        new("ConnectTimeoutMs", Number),
        new("Limits", Pointer(new("MaxConnections", Limit), new("MaxPendingRequests", Limit), new("MaxConcurrentRequests", Limit))),
        new("PassiveHealthCheck", Pointer(
            new("Interval", Duration),
            new("MaxFailures", Count),
            new("EnforcingConsecutive5xx", Limit),
            new("MaxEjectionPercent", Limit),
            new("BaseEjectionTime", Duration))),
        new("MeshGateway", MeshGateway),
        new("BalanceOutboundConnections", Text));

    private static readonly ConfigShape RateLimits = Pointer(new ConfigField("InstanceLevel", Part(
        new("RequestsPerSecond", Number),
        new("RequestsMaxBurst", Number),
        new("Routes", new ListShape(Part(
            new("PathExact", Text),
            new("PathPrefix", Text),
            new("PathRegex", Text),
            new("RequestsPerSecond", Number),
            new("RequestsMaxBurst", Number)))))));

    private static readonly ConfigShape HeaderMatch = Part(
        new("Name", Text),
        new("Present", Flag),
        new("Exact", Text),
        new("Prefix", Text),
        new("Suffix", Text),
        new("Contains", Text),
        new("Regex", Text),
        new("IgnoreCase", Flag),
        new("Invert", Flag));

    private static readonly ConfigShape JwtRequirement = Pointer(new ConfigField("Providers", new ListShape(Part(
        new("Name", Text),
        new("VerifyClaims", new ListShape(Part(new("Path", Texts), new("Value", Text))))))));

    public static readonly ConfigShape ProxyDefaults = Entry(
        Kind,
        Name,
        new("Config", new FreeMapShape(), IsAlways: true),
        new("Mode", Text),
        new("TransparentProxy", TransparentProxy),
        new("MutualTLSMode", Text),
        new("MeshGateway", MeshGateway, IsAlways: true),
        new("Expose", Expose, IsAlways: true),
        new("AccessLogs", Free),
        new("EnvoyExtensions", EnvoyExtensions),
        new("FailoverPolicy", FailoverPolicy),
        new("PrioritizeByLocality", PrioritizeByLocality),
        Meta);

    public static readonly ConfigShape ServiceDefaults = Entry(
        Kind,
        Name,
        new("Protocol", Text),
        new("Mode", Text),
        new("TransparentProxy", TransparentProxy),
        new("MutualTLSMode", Text),
        new("MeshGateway", MeshGateway, IsAlways: true),
        new("Expose", Expose, IsAlways: true),
        new("ExternalSNI", Text),
        new("UpstreamConfig", Pointer(new("Overrides", new ListShape(Upstream)), new("Defaults", Upstream))),
        new("Destination", Pointer(new("Addresses", Texts), new("Port", Number))),
        new("MaxInboundConnections", Number),
        new("LocalConnectTimeoutMs", Number),
        new("LocalRequestTimeoutMs", Number),
        new("BalanceInboundConnections", Text),
        new("RateLimits", RateLimits),
        new("EnvoyExtensions", EnvoyExtensions),
        Meta);

    public static readonly ConfigShape ServiceRouter = Entry(
        Kind,
        Name,
        new("Routes", new ListShape(Part(
            new("Match", Pointer(new ConfigField("HTTP", Pointer(
                new("PathExact", Text),
                new("PathPrefix", Text),
                new("PathRegex", Text),
                new("CaseInsensitive", Flag),
                new("Header", new ListShape(HeaderMatch)),
                new("QueryParam", new ListShape(Part(new("Name", Text), new("Present", Flag), new("Exact", Text), new("Regex", Text)))),
                new("Methods", Texts))))),
            new("Destination", Pointer(
                new("RequestTimeout", Duration),
                new("IdleTimeout", Duration),
                new("Service", Text),
                new("ServiceSubset", Text),
                new("Namespace", Text),
                new("Partition", Text),
                new("PrefixRewrite", Text),
                new("NumRetries", Count),
                new("RetryOnConnectFailure", Flag),
                new("RetryOn", Texts),
                new("RetryOnStatusCodes", Counts),
                new("RequestHeaders", HeaderModifiers),
                new("ResponseHeaders", HeaderModifiers))))), IsAlways: true),
        Meta);

    public static readonly ConfigShape ServiceSplitter = Entry(
        Kind,
        Name,
        new("Splits", new ListShape(Part(
            new("Weight", new WeightShape(), IsAlways: true),
            new("Service", Text),
            new("ServiceSubset", Text),
            new("Namespace", Text),
            new("Partition", Text),
            new("RequestHeaders", HeaderModifiers),
            new("ResponseHeaders", HeaderModifiers))), IsAlways: true),
        Meta);

    public static readonly ConfigShape ServiceResolver = Entry(
        new("ConnectTimeout", Duration),
        new("RequestTimeout", Duration),
        Kind,
        Name,
        new("DefaultSubset", Text),
        new("Subsets", new MapShape(Part(new("Filter", Text), new("OnlyPassing", Flag)))),
        new("Redirect", Pointer(
            new("Service", Text),
            new("ServiceSubset", Text),
            new("Namespace", Text),
            new("Partition", Text),
            new("Datacenter", Text),
            new("Peer", Text),
            new("SamenessGroup", Text))),
        new("Failover", new MapShape(Part(
            new("Service", Text),
            new("ServiceSubset", Text),
            new("Namespace", Text),
            new("Datacenters", Texts),
            new("Targets", new ListShape(Part(
                new("Service", Text),
                new("ServiceSubset", Text),
                new("Partition", Text),
                new("Namespace", Text),
                new("Datacenter", Text),
                new("Peer", Text)))),
            new("Policy", FailoverPolicy),
            new("SamenessGroup", Text)))),
        new("PrioritizeByLocality", PrioritizeByLocality),
        new("LoadBalancer", Pointer(
            new("Policy", Text),
            new("RingHashConfig", Pointer(new("MinimumRingSize", Count), new("MaximumRingSize", Count))),
            new("LeastRequestConfig", Pointer(new ConfigField("ChoiceCount", Count))),
            new("HashPolicies", new ListShape(Part(
                new("Field", Text),
                new("FieldValue", Text),
                new("CookieConfig", Pointer(new("Session", Flag), new("TTL", Duration), new("Path", Text))),
                new("SourceIP", Flag),
                new("Terminal", Flag)))))),
        Meta);

    public static readonly ConfigShape ServiceIntentions = Entry(
        Kind,
        Name,
        new("Sources", new ListShape(Part(
            new("Name", Text),
            new("Action", Text),
            new("Permissions", new ListShape(Part(
                new("Action", Text),
                new("HTTP", Pointer(
                    new("PathExact", Text),
                    new("PathPrefix", Text),
                    new("PathRegex", Text),
                    new("Header", new ListShape(HeaderMatch)),
                    new("Methods", Texts))),
                new("JWT", JwtRequirement)))),
            new("Precedence", Number),
            new("LegacyID", Text),
            new("Type", Text),
            new("Description", Text),
            new("LegacyMeta", TextMap),
            new("LegacyCreateTime", Text),
            new("LegacyUpdateTime", Text),
            new("Peer", Text),
            new("SamenessGroup", Text))), IsAlways: true),
        new("JWT", JwtRequirement),
        Meta);

    public static readonly ConfigShape JwtProvider = Entry(
        Kind,
        Name,
        new("JSONWebKeySet", Pointer(
            new("Local", Pointer(new("JWKS", Text), new("Filename", Text))),
            new("Remote", Pointer(
                new("URI", Text),
                new("RequestTimeoutMs", Number),
                new("CacheDuration", Duration),
                new("FetchAsynchronously", Flag),
                new("UseSNI", Flag),
                new("RetryPolicy", Free),
                new("JWKSCluster", Free))))),
        new("Audiences", Texts),
        new("Locations", new ListShape(Part(
            new("Header", Pointer(new("Name", Text), new("ValuePrefix", Text), new("Forward", Flag))),
            new("QueryParam", Pointer(new ConfigField("Name", Text))),
            new("Cookie", Pointer(new ConfigField("Name", Text)))))),
        new("Forwarding", Pointer(new("HeaderName", Text), new("PadForwardPayloadHeader", Flag))),
        new("Issuer", Text),
        new("ClockSkewSeconds", Number),
        new("CacheConfig", Pointer(new ConfigField("Size", Number))),
        Meta);

    private static ObjectShape Entry(params ConfigField[] fields) => new(isPointer: true, [.. fields, .. Ignored]);

    private static ObjectShape Part(params ConfigField[] fields) => new(isPointer: false, fields);

    private static ObjectShape Pointer(params ConfigField[] fields) => new(isPointer: true, fields);
}
