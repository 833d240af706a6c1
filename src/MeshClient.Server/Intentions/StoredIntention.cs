using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Server.Intentions;

/// <summary>A permission as it was written: the part that is evaluated, and the JSON of the part that is only given back.</summary>
internal sealed record StoredPermission(IntentionPermission Rule, string? JwtJson);

/// <summary>An intention with what the API tells about it.</summary>
internal sealed record StoredIntention
{
    public required string Id { get; init; }

    public string Description { get; init; } = string.Empty;

    public required string Source { get; init; }

    public required string Destination { get; init; }

    /// <summary>Null when <see cref="Permissions"/> decide.</summary>
    public IntentionAction? Action { get; init; }

    public EquatableArray<StoredPermission> Permissions { get; init; }

    /// <summary>
    /// The JSON of a requirement for tokens that holds whatever the request is; given back, never met: the intention allows
    /// nothing then.
    /// </summary>
    public string? JwtJson { get; init; }

    public EquatableArray<KeyValuePair<string, string>> Meta { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset UpdatedAt { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    public int Precedence => ToRule().Precedence;

    /// <summary>The rule as the evaluator takes it.</summary>
    public Intention ToRule() => new()
    {
        Id = Id,
        Source = Source,
        Destination = Destination,
        Action = JwtJson is not null && Action == IntentionAction.Allow ? IntentionAction.Deny : Action,
        Permissions = EquatableArray.From(Permissions.Select(permission => JwtJson is null
            ? permission.Rule
            : permission.Rule with { HasUnsupportedRequirement = true })),
    };

    /// <summary>As Consul writes it in texts.</summary>
    public override string ToString() =>
        $"{ActionText} default/{Source} => default/{Destination} (ID: {Id}, Precedence: {Precedence})";

    private string ActionText => Action switch
    {
        IntentionAction.Allow => "ALLOW",
        IntentionAction.Deny => "DENY",
        _ => "L7",
    };
}
