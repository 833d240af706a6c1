using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Intentions;
using MeshClient.Server.KeyValues;
using MeshClient.Server.PreparedQueries;
using MeshClient.Server.Sessions;

namespace MeshClient.Server.State;

/// <summary>All tables that are stored, in the order in which they are restored. <see cref="StateRows"/> says how one is added.</summary>
internal static class StateTables
{
    public static readonly NodeRows Nodes = new();
    public static readonly NodeCheckRows NodeChecks = new();
    public static readonly InstanceRows Instances = new();
    public static readonly AuthorityRows Authority = new();
    public static readonly IntentionRows Intentions = new();
    public static readonly IntentionEntryRows IntentionEntries = new();
    public static readonly ConfigRows Config = new();
    public static readonly QueryRows Queries = new();
    public static readonly SessionRows Sessions = new();
    public static readonly KeyEntryRows Keys = new();
    public static readonly AccessPolicyRows AccessPolicies = new();
    public static readonly AccessTokenRows AccessTokens = new();
    public static readonly AccessBootstrapRows AccessBootstrap = new();
    public static readonly AuthMethodRows AuthMethods = new();
    public static readonly BindingRuleRows BindingRules = new();

    private static readonly StateRows[] All =
    [
        Nodes, NodeChecks, Instances, Authority, Intentions, IntentionEntries, Config, Queries, Sessions, Keys,
        AccessPolicies, AccessTokens, AccessBootstrap, AuthMethods, BindingRules,
    ];

    /// <summary>All rows of a state.</summary>
    public static IEnumerable<(StateRows Table, string Key, object Record)> RowsOf(ServerState state)
    {
        foreach (var table in All)
        {
            foreach (var (key, record) in table.RowsOf(state))
            {
                yield return (table, key, record);
            }
        }
    }

    /// <summary>Puts rows into the empty state of a new run.</summary>
    /// <exception cref="InvalidDataException">One of them cannot be understood.</exception>
    public static ServerState Restore(ServerState empty, IEnumerable<StoredRow> rows, RestoreContext context)
    {
        var byTable = rows.ToLookup(row => row.Table, StringComparer.Ordinal);
        if (byTable.FirstOrDefault(group => All.All(table => table.Table != group.Key)) is { } unknown)
        {
            // Not passed over: what a rule of this table forbade would be allowed.
            throw new InvalidDataException($"it has a table '{unknown.Key}', which this version of the server does not know; use the version that wrote it");
        }

        var state = empty;
        foreach (var table in All)
        {
            foreach (var row in byTable[table.Table])
            {
                try
                {
                    state = table.RestoreRow(state, row.Key, row.Value.Span, context);
                }
                catch (InvalidDataException e)
                {
                    throw new InvalidDataException($"the row '{row.Key}' of its table '{row.Table}' cannot be used: {e.Message}");
                }
            }
        }

        return state;
    }
}
