namespace MeshClient.Server.HealthChecks;

/// <summary>A check as its owner defined it.</summary>
/// <param name="CheckId">Unique on the node.</param>
/// <param name="Name">For people.</param>
/// <param name="Notes">For people.</param>
/// <param name="TimeToLive">How long it stays as it is without a sign of life; null: nobody has to beat it.</param>
/// <param name="InitialStatus">What it says before the first sign of life; null: critical.</param>
/// <param name="DeregisterAfter">How long it may be critical before its service is taken out; null: for ever.</param>
internal sealed record CheckDefinition(
    string CheckId, string Name, string Notes, TimeSpan? TimeToLive, CheckStatus? InitialStatus, TimeSpan? DeregisterAfter)
{
    /// <summary>What the server does to learn how it is; null: it waits to be told.</summary>
    public ProbeDefinition? Probe { get; init; }

    /// <summary>How many characters of its output are kept.</summary>
    public int OutputMaxSize { get; init; } = ProbeDefinition.DefaultOutputMaxSize;
}

/// <summary>A check and what it says.</summary>
internal sealed record CheckRecord
{
    public const string TtlType = "ttl";
    public const string MaintenanceType = "maintenance";
    public const string ServiceMaintenancePrefix = "_service_maintenance:";
    public const string NodeMaintenanceId = "_node_maintenance";
    public const string NodeAliveId = "serfHealth";

    public required string CheckId { get; init; }

    public required string Name { get; init; }

    public required CheckStatus Status { get; init; }

    public string Notes { get; init; } = string.Empty;

    public string Output { get; init; } = string.Empty;

    public string Type { get; init; } = string.Empty;

    /// <summary>Null for a check that nobody has to beat.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>Null for a check that the server does not carry out.</summary>
    public ProbeDefinition? Probe { get; init; }

    public int OutputMaxSize { get; init; } = ProbeDefinition.DefaultOutputMaxSize;

    public TimeSpan? DeregisterAfter { get; init; }

    /// <summary>
    /// The definition that came with a check registered in the catalog, as JSON, to be given back: others act on it, such as a
    /// monitor of external services. Empty for the agent's checks.
    /// </summary>
    public string DefinitionJson { get; init; } = string.Empty;

    /// <summary>Since when it says what it says.</summary>
    public required DateTimeOffset StatusSince { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }

    /// <summary>The check every Consul node has: this server answers, so its node is alive.</summary>
    public static CheckRecord NodeAlive(ulong index, DateTimeOffset now) => new()
    {
        CheckId = NodeAliveId,
        Name = "Serf Health Status",
        Status = CheckStatus.Passing,
        Output = "Agent alive and reachable",
        StatusSince = now,
        CreateIndex = index,
        ModifyIndex = index,
    };

    /// <summary>The check that keeps what it belongs to out of use.</summary>
    public static CheckRecord Maintenance(string checkId, string name, string notes, DateTimeOffset now, ulong index) => new()
    {
        CheckId = checkId,
        Name = name,
        Notes = notes,
        Status = CheckStatus.Critical,
        Type = MaintenanceType,
        StatusSince = now,
        CreateIndex = index,
        ModifyIndex = index,
    };

    /// <summary>
    /// Whether only the server itself makes checks of this id. Registered by a service, the node's sign of life would move to
    /// that service, and a maintenance check would end with its beats.
    /// </summary>
    public static bool IsServersOwn(string checkId) =>
        checkId is NodeAliveId or NodeMaintenanceId || checkId.StartsWith(ServiceMaintenancePrefix, StringComparison.Ordinal);

    /// <summary>Puts a definition into force. A check that was there before keeps what it says.</summary>
    public static CheckRecord From(CheckDefinition definition, CheckRecord? before, DateTimeOffset now, ulong index)
    {
        var record = new CheckRecord
        {
            CheckId = definition.CheckId,
            Name = definition.Name,
            Notes = definition.Notes,
            Type = definition.Probe?.Type ?? TtlType,
            TimeToLive = definition.TimeToLive,
            Probe = definition.Probe,
            OutputMaxSize = definition.OutputMaxSize,
            DeregisterAfter = definition.DeregisterAfter,
            Status = before?.Status ?? definition.InitialStatus ?? CheckStatus.Critical,
            Output = before?.Output ?? string.Empty,
            StatusSince = before?.StatusSince ?? now,
            CreateIndex = before?.CreateIndex ?? index,
            ModifyIndex = before?.ModifyIndex ?? index,
        };
        return record == before ? before : record with { ModifyIndex = index };
    }
}
