using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Server.State;

namespace MeshClient.Server.Sessions;

/// <summary>Stored sessions, by id. Each begins its time to live anew with a run.</summary>
internal sealed class SessionRows() : JsonRows<SessionRecord, SessionDocument>("sessions", SessionJsonContext.Default.SessionDocument)
{
    protected override IEnumerable<KeyValuePair<string, SessionRecord>> All(ServerState state) => state.Sessions.ById;

    protected override ServerState Restore(ServerState state, string key, SessionRecord record, RestoreContext context) =>
        state with { Sessions = state.Sessions.With(record, context.Change) };

    protected override SessionDocument ToDocument(SessionRecord record, StateSeal seal) => new()
    {
        Id = record.Id,
        Name = record.Name,
        Node = record.Node,
        LockDelay = record.LockDelay,
        Behavior = record.Behavior,
        TimeToLive = record.TimeToLive,
        TimeToLiveText = record.TimeToLiveText,
        NodeChecks = [.. record.NodeChecks],
        ServiceChecks = record.ServiceChecks is { } checks ? [.. checks] : null,
        CreateIndex = record.CreateIndex,
        ModifyIndex = record.ModifyIndex,
    };

    protected override SessionRecord FromDocument(SessionDocument document, RestoreContext context) => new()
    {
        Id = document.Id,
        Name = document.Name,
        Node = document.Node,
        LockDelay = document.LockDelay,
        Behavior = document.Behavior,
        TimeToLive = document.TimeToLive,
        TimeToLiveText = document.TimeToLiveText,
        NodeChecks = EquatableArray.From(document.NodeChecks),
        ServiceChecks = document.ServiceChecks is { } checks ? EquatableArray.From(checks) : null,
        CreateIndex = document.CreateIndex,
        ModifyIndex = document.ModifyIndex,
    };
}

/// <summary>A session as stored.</summary>
internal sealed class SessionDocument
{
    public required string Id { get; init; }

    public string Name { get; init; } = string.Empty;

    public required string Node { get; init; }

    public required TimeSpan LockDelay { get; init; }

    public SessionBehavior Behavior { get; init; }

    public TimeSpan? TimeToLive { get; init; }

    public string TimeToLiveText { get; init; } = string.Empty;

    public IReadOnlyList<string> NodeChecks { get; init; } = [];

    public IReadOnlyList<SessionServiceCheck>? ServiceChecks { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How sessions are read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SessionDocument))]
internal sealed partial class SessionJsonContext : JsonSerializerContext;
