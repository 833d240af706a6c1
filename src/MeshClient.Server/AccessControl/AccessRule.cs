namespace MeshClient.Server.AccessControl;

/// <summary>One rule: how much is allowed on one name, or on all that begin with it.</summary>
/// <param name="Kind">What it is about. Intentions have no rules of their own: they stand inside rules of services.</param>
/// <param name="Name">The name or its beginning; empty for kinds without names.</param>
/// <param name="IsPrefix">Whether it holds for all that begins with the name.</param>
/// <param name="Level">How much is allowed.</param>
/// <param name="Intentions">For services, how much is allowed on the intentions that lead to them; null: what follows from the level.</param>
internal sealed record AccessRule(ResourceKind Kind, string Name, bool IsPrefix, AccessLevel Level, AccessLevel? Intentions = null);
