using System.Net;

namespace MeshClient.Consul.Wire;

/// <summary>One call.</summary>
/// <param name="Method">GET, PUT or POST.</param>
/// <param name="Path">Path and query, without a slash at the beginning.</param>
/// <param name="Limit">How long the whole call may take, body included.</param>
internal sealed record ConsulRequest(HttpMethod Method, string Path, TimeSpan Limit)
{
    /// <summary>The body; null for none.</summary>
    public ReadOnlyMemory<byte>? Body { get; init; }

    /// <summary>What the body is.</summary>
    public string ContentType { get; init; } = "application/json";

    /// <summary>For a call about one thing that the agent may have lost: what a 500 then says. Null: there is no such thing.</summary>
    public IReadOnlyList<string>? LostTexts { get; init; }

    /// <summary>Whether an answer says that the agent does not know the thing. A 404 says so by itself.</summary>
    public bool IsLost(HttpStatusCode status, string text) => LostTexts is not null
        && (status == HttpStatusCode.NotFound
            || (status == HttpStatusCode.InternalServerError
                && LostTexts.Any(lost => text.Contains(lost, StringComparison.OrdinalIgnoreCase))));
}
