using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Server.Intentions;

/// <summary>A permission: what is evaluated, and the JSON of its requirement for tokens, which is given back as it was written.</summary>
internal sealed record StoredPermission(IntentionPermission Rule, string? JwtJson)
{
    /// <summary>With the requirement read out of its JSON; one that is not understood is never met.</summary>
    public static StoredPermission Create(IntentionPermission rule, string? jwtJson)
    {
        var isUnderstood = JwtRequirementJson.TryRead(jwtJson, out var jwt);
        return new StoredPermission(rule with { Jwt = jwt, HasUnsupportedRequirement = !isUnderstood }, jwtJson);
    }
}

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

    /// <summary>The JSON of a requirement for tokens that holds whatever the request is.</summary>
    public string? JwtJson { get; init; }

    public EquatableArray<KeyValuePair<string, string>> Meta { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset UpdatedAt { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    public int Precedence => Intention.PrecedenceOf(Source, Destination);

    /// <summary>The rule as the evaluator takes it; what is not understood allows nothing.</summary>
    public Intention ToRule()
    {
        var isUnderstood = JwtRequirementJson.TryRead(JwtJson, out var jwt) & IntentionModeMeta.TryParse(ModeText, out var mode);
        return new Intention
        {
            Id = Id,
            Source = Source,
            Destination = Destination,
            Action = isUnderstood ? Action : IntentionAction.Deny,
            Permissions = EquatableArray.From(Permissions.Select(permission => permission.Rule)),
            Jwt = jwt,
            Mode = mode,
        };
    }

    /// <summary>With the metadata of the entry it is part of, where it has none of its own by that name: Consul gives it so.</summary>
    public StoredIntention WithMetaOf(IntentionEntry entry) => entry.Meta.Count == 0
        ? this
        : this with
        {
            Meta = EquatableArray.From(entry.Meta.ExceptBy(Meta.Select(own => own.Key), pair => pair.Key, StringComparer.Ordinal)
                .Concat(Meta).OrderBy(pair => pair.Key, StringComparer.Ordinal)),
        };

    /// <summary>As Consul writes it in texts.</summary>
    public override string ToString() =>
        $"{ActionText} default/{Source} => default/{Destination} (ID: {Id}, Precedence: {Precedence})";

    private string? ModeText => Meta.FirstOrDefault(pair => pair.Key == IntentionModeMeta.Key).Value;

    private string ActionText => Action switch
    {
        IntentionAction.Allow => "ALLOW",
        IntentionAction.Deny => "DENY",
        _ => "L7",
    };
}
