using MeshClient.Configuration;
using MeshClient.Overload;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>
/// What keeps this app from more requests than it can serve. Nothing is limited unless something is set here. What is too much
/// is answered at once, with 503 or gRPC UNAVAILABLE for too many at a time, 429 or RESOURCE_EXHAUSTED for too many in a
/// second; with <c>Retry-After</c>, and with the headers <c>mesh-shed</c> and <c>x-envoy-overloaded</c>, by which MeshClient and
/// Envoy know not to try another instance.
/// </summary>
/// <remarks>
/// Only requests from callers of the mesh that intentions have let through count. What may be called without the mesh, such
/// as a health probe, is never refused, for an overloaded app that fails its probes would be taken away; it is not counted either
/// when it comes without the mesh, or its path is one of <see cref="MeshInboundOptions.ExemptEndpoints"/>. A request counts until its
/// answer is complete, so a stream counts as long as it lasts.
/// </remarks>
public sealed class MeshInboundOverloadOptions
{
    /// <summary>How many requests are served at a time. 1 to 1 000 000. Null: any number. Default: null.</summary>
    public int? MaxConcurrency { get; set; }

    /// <summary>
    /// Whether and how that number is learned; then <see cref="MaxConcurrency"/> is only its upper bound. What counts is the time from a
    /// request to the head of its answer, the reading of its body included. Failures, and deadlines of
    /// callers that passed, are not taken for overload here, so <see cref="Core.Overload.LimitAlgorithm.Aimd"/> has nothing to go by but
    /// requests that take more than 5 s.
    /// </summary>
    public MeshAdaptiveLimitOptions Adaptive { get; set; } = new();

    /// <summary>How many requests are served per second, all callers together. Default: any number.</summary>
    public MeshRateLimitOptions RateLimit { get; set; } = new();

    /// <summary>
    /// How many requests are served per second for each calling service of this trust domain, and for each other trust domain: its
    /// members count together, for the ids they come by are as many as their authority likes. Default: any number.
    /// </summary>
    public MeshRateLimitOptions CallerRateLimit { get; set; } = new();

    /// <summary>
    /// The same for one caller: by the name of a service of this trust domain, or by a name of your choice with a
    /// <see cref="MeshCallerRateLimitOptions.Caller"/>. The most exact entry counts: a SPIFFE id before a name or a trust domain.
    /// What an entry leaves out comes from <see cref="CallerRateLimit"/>. Default: none.
    /// </summary>
    public Dictionary<string, MeshCallerRateLimitOptions> CallerRateLimits { get; set; } = [];

    /// <summary>
    /// Shares of the limit of requests at a time, by a name of your choice. While there is room anybody may have it; when the
    /// limit is reached, only those below their share are let in. The most exact share counts: caller and priority, then the
    /// caller (a SPIFFE id before a name), then the priority. All others share what is left of 100 %. So that a share is there
    /// for whoever it belongs to even when others hold all the room, more than the limit may be served for a moment, at most
    /// by the shares. Needs a limit. Default: none.
    /// </summary>
    public Dictionary<string, MeshInboundShareOptions> Shares { get; set; } = [];

    /// <summary>
    /// When callers refused for too many at a time may try again; those refused for the rate are told when there is room. Told in
    /// whole seconds. 1 s to 1 hour. Default: <see cref="MeshInboundDefaults.RetryAfter"/>.
    /// </summary>
    public TimeSpan RetryAfter { get; set; } = MeshInboundDefaults.RetryAfter;
}

/// <summary>A limit of requests per second for one caller.</summary>
public sealed class MeshCallerRateLimitOptions : MeshRateLimitOptions
{
    /// <summary>
    /// Whose it is: the name of a service of this trust domain; the whole SPIFFE id of a service, of any; or the id of another
    /// trust domain, such as <c>spiffe://partner.example</c>, for all its members together that have no entry of their own. Null:
    /// the service that the entry is named after. Default: null.
    /// </summary>
    public string? Caller { get; set; }
}

/// <summary>A share of the requests that are served at a time.</summary>
public sealed class MeshInboundShareOptions
{
    /// <summary>
    /// Whose it is: the name of a service of this trust domain, or a whole SPIFFE id, of any. Null: anybody's. Default: null.
    /// </summary>
    public string? Caller { get; set; }

    /// <summary>
    /// Which priority it is for, as the caller said in the header <see cref="MeshPriorityExtensions.HeaderName"/>. Null: any.
    /// Default: null. Callers give themselves their priority: whoever may call can say <c>high</c>. Where that is not to be
    /// left to them, give the share a <see cref="Caller"/> as well, or that caller a share of its own, which then holds for
    /// all its priorities.
    /// </summary>
    public MeshPriority? Priority { get; set; }

    /// <summary>How much of the limit, in percent. 1 to 100; all shares together at most 100.</summary>
    public int Percent { get; set; }
}
