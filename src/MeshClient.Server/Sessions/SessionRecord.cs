using MeshClient.Core;

namespace MeshClient.Server.Sessions;

/// <summary>What becomes of the locks of a session that has ended.</summary>
internal enum SessionBehavior
{
    /// <summary>They are let go.</summary>
    Release,

    /// <summary>Their keys are deleted.</summary>
    Delete,
}

/// <summary>A check of a service a session depends on. The namespace is given back as it came.</summary>
internal sealed record SessionServiceCheck(string Id, string Namespace);

/// <summary>A session: the owner of locks.</summary>
internal sealed record SessionRecord
{
    public required string Id { get; init; }

    public string Name { get; init; } = string.Empty;

    public required string Node { get; init; }

    /// <summary>How long a lock cannot be taken by others once the session has been ended by the server or its owner.</summary>
    public required TimeSpan LockDelay { get; init; }

    public SessionBehavior Behavior { get; init; }

    /// <summary>How long it lives at least without being renewed; null: for ever.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>As it was written.</summary>
    public string TimeToLiveText { get; init; } = string.Empty;

    public EquatableArray<string> NodeChecks { get; init; }

    /// <summary>Null as it came, which is told from an empty list in answers.</summary>
    public EquatableArray<SessionServiceCheck>? ServiceChecks { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    /// <summary>All checks it depends on, by id.</summary>
    public IEnumerable<string> Checks => NodeChecks.Concat(ServiceChecks?.Select(check => check.Id) ?? []);

    /// <summary>All it stands on: its node, as the empty text, and its checks.</summary>
    public IEnumerable<string> Supports => Checks.Prepend(string.Empty).Distinct(StringComparer.Ordinal);
}
