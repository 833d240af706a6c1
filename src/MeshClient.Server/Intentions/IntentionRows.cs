using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Server.State;

namespace MeshClient.Server.Intentions;

/// <summary>Stored intentions, by id.</summary>
internal sealed class IntentionRows() : JsonRows<StoredIntention, IntentionDocument>("intentions", IntentionJsonContext.Default.IntentionDocument)
{
    protected override IEnumerable<KeyValuePair<string, StoredIntention>> All(ServerState state) => state.Intentions.ById;

    protected override ServerState Restore(ServerState state, string key, StoredIntention intention, RestoreContext context) =>
        state with { Intentions = state.Intentions.With(intention, context.Change) };

    protected override IntentionDocument ToDocument(StoredIntention intention, StateSeal seal) => new()
    {
        Id = intention.Id,
        Description = intention.Description,
        Source = intention.Source,
        Destination = intention.Destination,
        Action = intention.Action,
        Permissions = [.. intention.Permissions.Select(permission => new PermissionDocument
        {
            Action = permission.Rule.Action,
            PathExact = permission.Rule.PathExact,
            PathPrefix = permission.Rule.PathPrefix,
            PathRegex = permission.Rule.PathRegex,
            Methods = [.. permission.Rule.Methods],
            Headers = [.. permission.Rule.Headers],
            Jwt = permission.JwtJson,
        })],
        Jwt = intention.JwtJson,
        Meta = new Dictionary<string, string>(intention.Meta),
        CreatedAt = intention.CreatedAt,
        UpdatedAt = intention.UpdatedAt,
        CreateIndex = intention.CreateIndex,
        ModifyIndex = intention.ModifyIndex,
    };

    protected override StoredIntention FromDocument(IntentionDocument document, RestoreContext context)
    {
        if (document.Action is null == (document.Permissions.Count == 0))
        {
            throw new InvalidDataException($"intention {document.Id} needs either an action or permissions");
        }

        return new StoredIntention
        {
            Id = document.Id,
            Description = document.Description,
            Source = document.Source,
            Destination = document.Destination,
            Action = document.Action,
            Permissions = EquatableArray.From(document.Permissions.Select(permission => StoredPermission.Create(
                new IntentionPermission
                {
                    Action = permission.Action,
                    PathExact = permission.PathExact,
                    PathPrefix = permission.PathPrefix,
                    PathRegex = permission.PathRegex,
                    Methods = EquatableArray.From(permission.Methods),
                    Headers = EquatableArray.From(permission.Headers),
                },
                permission.Jwt))),
            JwtJson = document.Jwt,
            Meta = EquatableArray.From(document.Meta.OrderBy(pair => pair.Key, StringComparer.Ordinal)),
            CreatedAt = document.CreatedAt,
            UpdatedAt = document.UpdatedAt,
            CreateIndex = document.CreateIndex,
            ModifyIndex = document.ModifyIndex,
        };
    }
}

/// <summary>An intention.</summary>
internal sealed class IntentionDocument
{
    public required string Id { get; init; }

    public required string Description { get; init; }

    public required string Source { get; init; }

    public required string Destination { get; init; }

    public IntentionAction? Action { get; init; }

    public required IReadOnlyList<PermissionDocument> Permissions { get; init; }

    public string? Jwt { get; init; }

    public required Dictionary<string, string> Meta { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>A permission.</summary>
internal sealed class PermissionDocument
{
    public required IntentionAction Action { get; init; }

    public string? PathExact { get; init; }

    public string? PathPrefix { get; init; }

    public string? PathRegex { get; init; }

    public required IReadOnlyList<string> Methods { get; init; }

    public required IReadOnlyList<HeaderMatch> Headers { get; init; }

    public string? Jwt { get; init; }
}

/// <summary>How intentions are read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IntentionDocument))]
internal sealed partial class IntentionJsonContext : JsonSerializerContext;
