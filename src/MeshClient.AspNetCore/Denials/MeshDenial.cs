using System.Net;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Denials;

/// <summary>Where a caller was refused.</summary>
public enum MeshDenialStage
{
    /// <summary>In the TLS handshake: it has not proved who it is, or is nobody of this mesh.</summary>
    Handshake,

    /// <summary>A raw connection, when it was accepted.</summary>
    Connection,

    /// <summary>A raw connection that was open when its permit was withdrawn.</summary>
    OpenConnection,

    /// <summary>A request, before anything of the app ran for it, or before its endpoint did.</summary>
    Request,

    /// <summary>A request that was being served when its permit was withdrawn.</summary>
    RunningRequest,
}

/// <summary>A refused call, for security monitoring. Holds nothing a caller means to keep secret: no query, headers or body.</summary>
public sealed record MeshDenial
{
    /// <summary>Where it was refused.</summary>
    public required MeshDenialStage Stage { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>
    /// Who called, as its certificate proved it. Null: nobody the mesh knows, as on a listener other than the mesh's, or in a
    /// handshake that failed.
    /// </summary>
    public SpiffeId? Source { get; init; }

    /// <summary>The service that was called: this one.</summary>
    public required ServiceName Destination { get; init; }

    /// <summary>The request's method, cut off after 32 characters; null for a connection.</summary>
    public string? Method { get; init; }

    /// <summary>
    /// The request's path, without its query, encoded and cut off after 256 characters, as in log lines; null for a connection.
    /// </summary>
    public string? Path { get; init; }

    /// <summary>
    /// The rule that refused it: an intention's id, with <c>#n</c> for its n-th permission; <c>default</c>; <c>endpoint:NAME</c> or
    /// <c>rule:NAME</c> for a rule of this app; <c>handshake:REASON</c>; or <c>no-peer</c>, <c>no-intentions-yet</c>.
    /// </summary>
    public required string Rule { get; init; }

    /// <summary>The same for people, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>Whether the call went on nevertheless, because the rule is only tried.</summary>
    public bool IsShadow { get; init; }

    /// <summary>The other end of the connection; null where there is none, as in tests without a network.</summary>
    public EndPoint? Remote { get; init; }
}
