namespace MeshClient.Core.Intentions;

/// <summary>
/// A request's path as a file system reads it. Frameworks hand a path to it as it came, so <c>//files/secret</c> and
/// <c>/files//secret</c> lead where <c>/files/secret</c> leads: empty segments count for nothing. Where a backslash separates
/// as well (Windows), it does here, and so do the dot segments it makes; servers have resolved only those between slashes. Dots
/// and spaces at the end of a segment count for nothing there either.
/// </summary>
internal static class FilePath
{
    /// <summary>The path as a file system reads it; null when that is what it is already, which costs no memory to find out.</summary>
    /// <param name="path">The path, decoded, with its leading slash.</param>
    /// <param name="isWindows">Whether the file system takes a backslash for a slash, and drops dots and spaces at an end.</param>
    public static string? Read(string path, bool isWindows)
    {
        if (!path.Contains("//", StringComparison.Ordinal) && !(isWindows && IsOddOnWindows(path)))
        {
            return null;
        }

        // One more than it can need: of a path without a leading slash one is made with it.
        var read = new char[path.Length + 1];
        var length = 0;
        var rest = path.AsSpan();
        while (!rest.IsEmpty)
        {
            var end = isWindows ? rest.IndexOfAny('/', '\\') : rest.IndexOf('/');
            var segment = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (isWindows && segment is "..")
            {
                length = Math.Max(0, read.AsSpan(0, length).LastIndexOf('/'));
                continue;
            }

            if (isWindows)
            {
                segment = segment.TrimEnd(". ");
            }

            if (segment is "")
            {
                continue;
            }

            read[length++] = '/';
            segment.CopyTo(read.AsSpan(length));
            length += segment.Length;
        }

        if (length == 0 || path[^1] == '/' || (isWindows && path[^1] == '\\'))
        {
            read[length++] = '/';
        }

        return new string(read, 0, length);
    }

    private static bool IsOddOnWindows(ReadOnlySpan<char> path)
    {
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] == '\\' || (path[i] is '.' or ' ' && (i + 1 == path.Length || path[i + 1] == '/')))
            {
                return true;
            }
        }

        return false;
    }
}
