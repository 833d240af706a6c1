using System.Buffers;

namespace MeshClient.Configuration;

/// <summary>Checks which headers are to be forwarded.</summary>
internal static class ForwardChecks
{
    // Half of what a call can take along (ForwardStage); nobody has needed a tenth of it.
    private const int MaxHeaders = 32;

    // token of RFC 9110, section 5.6.2.
    private static readonly SearchValues<char> TokenCharacters =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    // Of the connection (RFC 9110, section 7.6.1), of the message's own making, or ours to write.
    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
        "Host", "Expect", "Date", "Via", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
        "grpc-timeout", "mesh-timeout-ms", "mesh-priority", "traceparent", "tracestate", "baggage", "allow", "expires", "last-modified",
    };

    /// <summary>Checks options of a destination.</summary>
    public static void Check(OptionChecks checks, string key, MeshForwardOptions options) =>
        CheckHeaders(checks, $"{key}:Headers", options.Headers ?? [], mayNameToken: false);

    /// <summary>Checks a list of headers.</summary>
    /// <param name="checks">Where the errors go.</param>
    /// <param name="key">The list's key below the section.</param>
    /// <param name="headers">The list.</param>
    /// <param name="mayNameToken">Whether the user's token may be named as a header.</param>
    public static void CheckHeaders(OptionChecks checks, string key, IList<string> headers, bool mayNameToken)
    {
        if (headers.Count > MaxHeaders)
        {
            checks.Add($"{checks.Section}:{key} has {headers.Count} headers; at most {MaxHeaders} can be forwarded.");
        }

        foreach (var header in headers)
        {
            if (Problem(header, mayNameToken) is { } problem)
            {
                checks.Add($"{checks.Section}:{key} has '{header}', {problem}.");
            }
        }
    }

    private static string? Problem(string? header, bool mayNameToken) =>
        string.IsNullOrEmpty(header) || header.AsSpan().ContainsAnyExcept(TokenCharacters) ? "which is not the name of a header"
        : string.Equals(header, ForwardSettings.TokenHeader, StringComparison.OrdinalIgnoreCase) && !mayNameToken
            ? "which has a setting of its own: Token"
        : Reserved.Contains(header) || header.StartsWith("Content-", StringComparison.OrdinalIgnoreCase)
            ? "which belongs to a single message or connection and cannot be forwarded"
        : null;
}
