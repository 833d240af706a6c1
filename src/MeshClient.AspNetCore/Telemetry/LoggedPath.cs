using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Telemetry;

/// <summary>
/// A path that a caller sent, as it may stand in a log line: encoded again, since the server has decoded it and a line break
/// in it would begin a line of the caller's making, and cut off, since callers choose its length.
/// </summary>
internal static class LoggedPath
{
    /// <summary>The most characters of a path in a line, without the dots that say that it was cut off.</summary>
    public const int MaxLength = 256;

    private const string More = "...";

    public static string Of(HttpRequest request) => Of(request.Path);

    public static string Of(PathString requested)
    {
        var path = requested.ToUriComponent();
        return path.Length <= MaxLength ? path : string.Concat(path.AsSpan(0, MaxLength), More);
    }
}
