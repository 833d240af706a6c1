namespace MeshClient.Core.Intentions;

/// <summary>
/// A request's path as a file system reads it. Frameworks hand a path to it as it came, so <c>//files/secret</c> and
/// <c>/files//secret</c> lead where <c>/files/secret</c> leads: empty segments count for nothing. Where a backslash separates
/// as well (Windows), it does here, and so do the dot segments it makes; servers have resolved only those between slashes.
/// </summary>
internal static class FilePath
{
    /// <summary>The path as a file system reads it; null when that is what it is already, which costs no memory to find out.</summary>
    /// <param name="path">The path, decoded, with its leading slash.</param>
    /// <param name="backslashSeparates">Whether the file system takes a backslash for a slash.</param>
    public static string? Read(string path, bool backslashSeparates)
    {
        if (!path.Contains("//", StringComparison.Ordinal) && !(backslashSeparates && path.Contains('\\', StringComparison.Ordinal)))
        {
            return null;
        }

        // One more than it can need: of a path without a leading slash one is made with it.
        var read = new char[path.Length + 1];
        var length = 0;
        var rest = path.AsSpan();
        while (!rest.IsEmpty)
        {
            var end = backslashSeparates ? rest.IndexOfAny('/', '\\') : rest.IndexOf('/');
            var segment = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (segment is "" || (backslashSeparates && segment is "."))
            {
                continue;
            }

            if (backslashSeparates && segment is "..")
            {
                length = Math.Max(0, read.AsSpan(0, length).LastIndexOf('/'));
                continue;
            }

            read[length++] = '/';
            segment.CopyTo(read.AsSpan(length));
            length += segment.Length;
        }

        if (length == 0 || path[^1] == '/' || (backslashSeparates && path[^1] == '\\'))
        {
            read[length++] = '/';
        }

        return new string(read, 0, length);
    }
}
