using System.Security.Claims;
using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Diagnostics;

/// <summary>Tells what this app would say to a call, and why. Taken from the app's services after <c>AddMeshInbound()</c>.</summary>
public interface IMeshExplain
{
    /// <summary>Explains a call that is not made.</summary>
    /// <param name="call">The call.</param>
    /// <exception cref="ArgumentException">The source is neither a service name nor a SPIFFE id.</exception>
    MeshExplanation Explain(MeshExplainedCall call);
}

/// <summary>A call to be explained.</summary>
public sealed record MeshExplainedCall
{
    /// <summary>
    /// Who would call: a service name of this trust domain, or a SPIFFE id. Of a name alone the id is not known, so intentions and
    /// rules that name ids do not count.
    /// </summary>
    public required string Source { get; init; }

    /// <summary>The method. Default: <c>GET</c>.</summary>
    public string Method { get; init; } = "GET";

    /// <summary>The path as the app would see it: decoded, with its leading slash and without the query. Default: <c>/</c>.</summary>
    public string Path { get; init; } = "/";

    /// <summary>The headers, a name as often as it has lines. Default: none.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Whom the user's verified tokens speak of, by their providers. Default: none.</summary>
    public IReadOnlyDictionary<string, ClaimsPrincipal> Passports { get; init; } = new Dictionary<string, ClaimsPrincipal>();
}

/// <summary>What would become of a call.</summary>
public sealed record MeshExplanation
{
    /// <summary>Whether it would be served. Both the intentions and the rules of the endpoint have to allow it.</summary>
    public required bool IsAllowed { get; init; }

    /// <summary>Whether it would be served only because the rule against it is tried and not in force.</summary>
    public required bool IsShadow { get; init; }

    /// <summary>The rule that decides, as denials name it.</summary>
    public required string Rule { get; init; }

    /// <summary>The same for people, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>All intentions, and what each did; null while none have ever been read, when nothing is allowed.</summary>
    public required IntentionExplanation? Intentions { get; init; }

    /// <summary>
    /// The rules of the endpoint whose route fits the path best, with its constraints where they go by a value's text alone, as
    /// <c>int</c> and <c>regex</c> do. Hosts and other constraints are not looked at: behind an endpoint that has some, the next best
    /// counts as well, and each has to allow the call. Nor is what other middleware makes of the path.
    /// </summary>
    public required IReadOnlyList<MeshExplainedEndpointRule> EndpointRules { get; init; }
}

/// <summary>A rule of an endpoint, and what it says to a call.</summary>
/// <param name="Rule">The rule as denials name it.</param>
/// <param name="Endpoint">The endpoint.</param>
/// <param name="Callers">Whom it lets in; empty: any service of this trust domain.</param>
/// <param name="IsAllowed">Whether it lets the caller in.</param>
public sealed record MeshExplainedEndpointRule(string Rule, string Endpoint, IReadOnlyList<string> Callers, bool IsAllowed);
