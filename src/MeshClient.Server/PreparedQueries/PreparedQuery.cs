using MeshClient.Core;

namespace MeshClient.Server.PreparedQueries;

/// <summary>A look-up of instances that is kept under a name. What was not given is null and is given back so.</summary>
internal sealed record PreparedQuery
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    /// <summary>The service looked for.</summary>
    public required string Service { get; init; }

    /// <summary>Kept and given back; an execution never leaves this datacenter.</summary>
    public int FailoverNearest { get; init; }

    /// <summary>Kept and given back; an execution never leaves this datacenter.</summary>
    public EquatableArray<string>? FailoverDatacenters { get; init; }

    /// <summary>Whether instances with a warning are left out too; critical ones always are.</summary>
    public bool OnlyPassing { get; init; }

    /// <summary>Checks that are not looked at.</summary>
    public EquatableArray<string>? IgnoreCheckIds { get; init; }

    /// <summary>Kept and given back: there is no distance here to sort by.</summary>
    public string Near { get; init; } = string.Empty;

    /// <summary>Tags an instance needs, or with a <c>!</c> before them, must not have; compared without case.</summary>
    public EquatableArray<string>? Tags { get; init; }

    public EquatableArray<KeyValuePair<string, string>>? NodeMeta { get; init; }

    public EquatableArray<KeyValuePair<string, string>>? ServiceMeta { get; init; }

    /// <summary>Whether instances that speak for the service in the mesh are looked for.</summary>
    public bool Connect { get; init; }

    /// <summary>Kept and given back: for who turns answers into DNS records.</summary>
    public string DnsTimeToLive { get; init; } = string.Empty;

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }
}
