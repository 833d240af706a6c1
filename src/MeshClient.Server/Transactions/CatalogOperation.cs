using MeshClient.Core;
using MeshClient.Server.Catalog;
using MeshClient.Server.State;

namespace MeshClient.Server.Transactions;

/// <summary>One step of a transaction that reads or writes the catalog, by the same commands as the catalog's own calls.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Index">The index the thing must have, for the verbs with a condition; 0: it must not be there.</param>
internal abstract record CatalogOperation(string Verb, ulong Index) : TransactionStep
{
    public override bool IsRead => Verb == "get";

    /// <summary>Whether it takes something away.</summary>
    public bool Removes => Verb is "delete" or "delete-cas";

    /// <summary>What it writes, when it writes.</summary>
    public abstract RegisterInCatalog Registration { get; }

    /// <summary>What it takes away, when it <see cref="Removes"/>.</summary>
    public abstract DeregisterFromCatalog Removal { get; }

    /// <summary>What it is about, as the errors name it.</summary>
    protected abstract string Kind { get; }

    /// <summary>The thing it is about, as the errors name it.</summary>
    protected abstract string Subject { get; }

    public override ServerState Apply(ServerState state, List<TransactionResult> results, long timestamp, StateChange change)
    {
        var present = Find(state.Catalog);
        switch (Verb)
        {
            case "get":
                results.Add(present ?? throw Failed($"{Subject} doesn't exist"));
                return state;
            case "cas" when (present?.ModifyIndex ?? 0) != Index:
                throw Failed($"failed to set {Subject}, index is stale");
            case "delete-cas" when present?.ModifyIndex != Index:
                throw Failed($"failed to delete {Subject}, index is stale");
            case "set" or "cas":
                if (FindMissing(state.Catalog) is { } missing)
                {
                    throw Failed(missing);
                }

                var after = Registration.Apply(state, change);
                results.Add(Find(after.Catalog)!);
                return after;
            case "delete" or "delete-cas":
                return Removal.Apply(state, change);
            default:
                throw Failed($"unknown {Kind} verb \"{Verb}\"");
        }
    }

    protected abstract CatalogResult? Find(CatalogState catalog);

    /// <summary>What has to be there first and is not; null: nothing.</summary>
    protected abstract string? FindMissing(CatalogState catalog);

    /// <summary>Names a node that is there, to write something on it.</summary>
    protected static NodeRecord Named(string node) => new(string.Empty, node, string.Empty, string.Empty, 0, 0);

    protected static string? FindMissingNode(CatalogState catalog, string node) =>
        catalog.Nodes.ContainsKey(node) ? null : "Missing node registration";
}

/// <summary>A step about a node. With an id it finds the node of that id, else that of the name.</summary>
internal sealed record NodeOperation(string Verb, NodeRecord Node, ulong Index, DateTimeOffset At) : CatalogOperation(Verb, Index)
{
    public override RegisterInCatalog Registration => new(Node, SkipNodeUpdate: false, null, default, At);

    public override DeregisterFromCatalog Removal => new(Node.Name, string.Empty, string.Empty);

    protected override string Kind => "Node";

    protected override string Subject => $"node \"{Node.Name}\"";

    protected override CatalogResult? Find(CatalogState catalog) =>
        catalog.Nodes.GetValueOrDefault(Node.Id.Length == 0 ? Node.Name : catalog.NodeNamesById.GetValueOrDefault(Node.Id, string.Empty)) is { } found
            ? new NodeResult(found.Node)
            : null;

    protected override string? FindMissing(CatalogState catalog) => null;
}

/// <summary>A step about an instance of a service.</summary>
internal sealed record ServiceOperation(string Verb, string Node, ServiceDefinition Service, ulong Index, DateTimeOffset At) : CatalogOperation(Verb, Index)
{
    public override RegisterInCatalog Registration => new(Named(Node), SkipNodeUpdate: true, Service, default, At);

    public override DeregisterFromCatalog Removal => new(Node, Service.Id, string.Empty);

    protected override string Kind => "Service";

    protected override string Subject => $"service \"{Service.Id}\" on node \"{Node}\"";

    protected override CatalogResult? Find(CatalogState catalog) =>
        catalog.Nodes.GetValueOrDefault(Node)?.Instances.GetValueOrDefault(Service.Id) is { } found ? new ServiceResult(found) : null;

    protected override string? FindMissing(CatalogState catalog) => FindMissingNode(catalog, Node);
}

/// <summary>A step about a check of a node or of an instance on it.</summary>
internal sealed record CheckOperation(string Verb, string Node, ExternalCheck Check, ulong Index, DateTimeOffset At) : CatalogOperation(Verb, Index)
{
    public override RegisterInCatalog Registration => new(Named(Node), SkipNodeUpdate: true, null, EquatableArray.From([Check]), At);

    public override DeregisterFromCatalog Removal => new(Node, string.Empty, Check.CheckId);

    protected override string Kind => "Check";

    protected override string Subject => $"check \"{Check.CheckId}\" on node \"{Node}\"";

    protected override CatalogResult? Find(CatalogState catalog)
    {
        InstanceRecord? owner = null;
        return catalog.Nodes.GetValueOrDefault(Node) is { } entry && entry.FindCheck(Check.CheckId, out owner) is { } found
            ? new CheckResult(entry.Node, owner, found)
            : null;
    }

    protected override string? FindMissing(CatalogState catalog) =>
        FindMissingNode(catalog, Node)
        ?? (Check.ServiceId.Length > 0 && !catalog.Nodes[Node].Instances.ContainsKey(Check.ServiceId) ? "Missing service registration" : null);
}
