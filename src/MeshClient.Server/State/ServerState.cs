using System.Collections.Immutable;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.Intentions;
using MeshClient.Server.KeyValues;
using MeshClient.Server.PreparedQueries;
using MeshClient.Server.Sessions;

namespace MeshClient.Server.State;

/// <summary>Everything the server knows, at one moment. Immutable: a reader keeps what it has while writers go on.</summary>
internal sealed record ServerState
{
    /// <summary>The index of the latest write. Every part has its own, which is never above this one and never 0.</summary>
    public required ulong Index { get; init; }

    public required CatalogState Catalog { get; init; }

    public required IntentionTable Intentions { get; init; }

    /// <summary>Who may call what.</summary>
    public AccessState Access { get; init; } = new();

    public required KeyValueState Keys { get; init; }

    public required SessionState Sessions { get; init; }

    /// <summary>Null only until the server has made or loaded its authority, before it serves anything.</summary>
    public AuthorityState? Authority { get; init; }

    /// <summary>The certificates in use, by exact service name. Never stored: their keys live in memory only.</summary>
    public ImmutableDictionary<string, LeafRecord> Leaves { get; init; } = ImmutableDictionary.Create<string, LeafRecord>(StringComparer.Ordinal);

    public required ConfigTable Config { get; init; }

    public required QueryTable Queries { get; init; }

    public ServerState WithAuthority(AuthorityState authority, StateChange change)
    {
        change.Put(StateTables.Authority, AuthorityRows.OnlyKey, authority);
        return this with { Authority = authority };
    }

    public static ServerState CreateEmpty(ulong index, NodeRecord node, DateTimeOffset now) => new()
    {
        Index = index,
        Catalog = CatalogState.CreateEmpty(index, node, now),
        Intentions = IntentionTable.CreateEmpty(index),
        Config = ConfigTable.CreateEmpty(index),
        Queries = QueryTable.CreateEmpty(index),
        Keys = KeyValueState.CreateEmpty(index),
        Sessions = SessionState.CreateEmpty(index),
    };
}
