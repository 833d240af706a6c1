using System.Collections.Immutable;

namespace MeshClient.Server.AccessControl;

/// <summary>Gives a token what a service of this name needs.</summary>
internal sealed record ServiceIdentity(string ServiceName, ImmutableArray<string> Datacenters);

/// <summary>Gives a token what the agent of a node needs.</summary>
internal sealed record NodeIdentity(string NodeName, string Datacenter);

/// <summary>A token. Its secret is never printed.</summary>
internal sealed record AccessToken
{
    /// <summary>Who sends no token (Consul's id).</summary>
    public const string AnonymousId = "00000000-0000-0000-0000-000000000002";

    public const string AnonymousSecret = "anonymous";

    /// <summary>Its public name.</summary>
    public required string AccessorId { get; init; }

    /// <summary>What its bearer sends.</summary>
    public required string SecretId { get; init; }

    public string Description { get; init; } = string.Empty;

    /// <summary>Ids of its policies.</summary>
    public ImmutableArray<string> PolicyIds { get; init; } = [];

    public ImmutableArray<ServiceIdentity> ServiceIdentities { get; init; } = [];

    public ImmutableArray<NodeIdentity> NodeIdentities { get; init; } = [];

    public bool IsLocal { get; init; }

    /// <summary>The auth method whose login made it; null for any other.</summary>
    public string? AuthMethod { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>From when on it is unknown; null: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    /// <summary>A digest of what it allows and tells; of its secret nothing is in it.</summary>
    public string Hash => Digest.Of(
    [
        AccessorId,
        Description,
        .. PolicyIds,
        .. ServiceIdentities.Select(identity => $"service {identity.ServiceName} {string.Join(',', identity.Datacenters)}"),
        .. NodeIdentities.Select(identity => $"node {identity.NodeName} {identity.Datacenter}"),
    ]);

    public static AccessToken Anonymous(DateTimeOffset now) => new()
    {
        AccessorId = AnonymousId,
        SecretId = AnonymousSecret,
        Description = "Anonymous Token",
        CreatedAt = now,
    };

    public bool IsExpired(DateTimeOffset now) => ExpiresAt <= now;

    public override string ToString() => $"token {AccessorId}";
}
