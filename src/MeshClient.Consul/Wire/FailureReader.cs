using System.Net;
using System.Net.Http.Headers;
using System.Text;
using MeshClient.Core.ControlPlane;

namespace MeshClient.Consul.Wire;

/// <summary>
/// Tells what a refusing answer means. Consul answers wrong input with 400 or 500, and passing trouble with 500 too, so for
/// a 500 only the sentence in the body tells them apart.
/// </summary>
internal static class FailureReader
{
    /// <summary>How much of the server's text goes into a message.</summary>
    private const int ShownCharacters = 200;

    // Texts of Consul 1.8 that come with 500 and will come again however often the call is repeated.
    private static readonly string[] PermanentTexts =
    [
        "Failed to create boolean expression evaluator", "No path to datacenter", "does not exist",
        "does not have associated TTL", "Unknown check", "Unknown service", "Must provide node", "Must provide address",
        "Bad node ID", "Must provide service name with ID", "duplicate intention found", "Cannot modify non-existent intention",
        "1 error occurred", "invalid config entry", "Invalid Session TTL", "Missing node registration", "strconv.ParseUint",
        "URI must be either service or agent", "Scripts are disabled on this agent", "ServiceID missing", "CheckID missing",
        "Bad request", "Connect must be enabled",
    ];

    /// <summary>Makes the exception for an answer that is no success.</summary>
    public static ControlPlaneException Read(
        string call, HttpStatusCode status, string text, RetryConditionHeaderValue? retryAfter, string? token, DateTimeOffset now)
    {
        var shown = text.Length == 0 ? "no text" : $"\"{Shorten(text, token)}\"";
        return new ControlPlaneException(Classify(status, text), $"{call} was answered with {(int)status}: {shown}")
        {
            RetryAfter = ReadRetryAfter(retryAfter, now),
        };
    }

    private static ControlPlaneFailure Classify(HttpStatusCode status, string text) => (int)status switch
    {
        401 or 403 => ControlPlaneFailure.Forbidden,
        408 or 425 or 429 => ControlPlaneFailure.Unavailable,
        500 => PermanentTexts.Any(permanent => text.Contains(permanent, StringComparison.OrdinalIgnoreCase))
            ? ControlPlaneFailure.Rejected
            : ControlPlaneFailure.Unavailable,
        501 => ControlPlaneFailure.Rejected,
        > 500 => ControlPlaneFailure.Unavailable,
        _ => ControlPlaneFailure.Rejected,
    };

    private static string Shorten(string text, string? token)
    {
        // Some proxies show the request they refuse, headers included.
        if (token is not null)
        {
            text = text.Replace(token, "(token)", StringComparison.Ordinal);
        }

        var shown = new StringBuilder();
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, ShownCharacters)))
        {
            shown.Append(char.IsControl(c) ? ' ' : c);
        }

        return (text.Length > ShownCharacters ? shown.Append('…') : shown).ToString().Trim();
    }

    private static TimeSpan? ReadRetryAfter(RetryConditionHeaderValue? header, DateTimeOffset now) => header switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date > now ? date - now : TimeSpan.Zero,
        _ => null,
    };
}
