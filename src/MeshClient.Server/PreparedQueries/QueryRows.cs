using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Server.State;

namespace MeshClient.Server.PreparedQueries;

/// <summary>Stored prepared queries, by id.</summary>
internal sealed class QueryRows() : JsonRows<PreparedQuery, QueryDocument>("queries", QueryJsonContext.Default.QueryDocument)
{
    protected override IEnumerable<KeyValuePair<string, PreparedQuery>> All(ServerState state) => state.Queries.ById;

    protected override ServerState Restore(ServerState state, string key, PreparedQuery query, RestoreContext context) =>
        state with { Queries = state.Queries.With(query, context.Change) };

    protected override QueryDocument ToDocument(PreparedQuery query, StateSeal seal) => new()
    {
        Id = query.Id,
        Name = query.Name,
        Service = query.Service,
        FailoverNearest = query.FailoverNearest,
        FailoverDatacenters = query.FailoverDatacenters is { } datacenters ? [.. datacenters] : null,
        OnlyPassing = query.OnlyPassing,
        IgnoreCheckIds = query.IgnoreCheckIds is { } ids ? [.. ids] : null,
        Near = query.Near,
        Tags = query.Tags is { } tags ? [.. tags] : null,
        NodeMeta = query.NodeMeta is { } nodeMeta ? new Dictionary<string, string>(nodeMeta) : null,
        ServiceMeta = query.ServiceMeta is { } serviceMeta ? new Dictionary<string, string>(serviceMeta) : null,
        Connect = query.Connect,
        DnsTimeToLive = query.DnsTimeToLive,
        CreateIndex = query.CreateIndex,
        ModifyIndex = query.ModifyIndex,
    };

    protected override PreparedQuery FromDocument(QueryDocument document, RestoreContext context) => new()
    {
        Id = document.Id,
        Name = document.Name,
        Service = document.Service,
        FailoverNearest = document.FailoverNearest,
        FailoverDatacenters = ListOf(document.FailoverDatacenters),
        OnlyPassing = document.OnlyPassing,
        IgnoreCheckIds = ListOf(document.IgnoreCheckIds),
        Near = document.Near,
        Tags = ListOf(document.Tags),
        NodeMeta = MapOf(document.NodeMeta),
        ServiceMeta = MapOf(document.ServiceMeta),
        Connect = document.Connect,
        DnsTimeToLive = document.DnsTimeToLive,
        CreateIndex = document.CreateIndex,
        ModifyIndex = document.ModifyIndex,
    };

    private static EquatableArray<string>? ListOf(IReadOnlyList<string>? list) => list is null ? null : EquatableArray.From(list);

    private static EquatableArray<KeyValuePair<string, string>>? MapOf(Dictionary<string, string>? map) =>
        map is null ? null : EquatableArray.From(map.OrderBy(pair => pair.Key, StringComparer.Ordinal));
}

/// <summary>A prepared query.</summary>
internal sealed class QueryDocument
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public required string Service { get; init; }

    public int FailoverNearest { get; init; }

    public IReadOnlyList<string>? FailoverDatacenters { get; init; }

    public bool OnlyPassing { get; init; }

    public IReadOnlyList<string>? IgnoreCheckIds { get; init; }

    public string Near { get; init; } = string.Empty;

    public IReadOnlyList<string>? Tags { get; init; }

    public Dictionary<string, string>? NodeMeta { get; init; }

    public Dictionary<string, string>? ServiceMeta { get; init; }

    public bool Connect { get; init; }

    public string DnsTimeToLive { get; init; } = string.Empty;

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How the rows are read and written.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(QueryDocument))]
internal sealed partial class QueryJsonContext : JsonSerializerContext;
