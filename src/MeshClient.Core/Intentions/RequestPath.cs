using System.Buffers;
using System.Globalization;
using System.Text;

namespace MeshClient.Core.Intentions;

/// <summary>
/// The path that intentions are compared with: the one the app sees, which is not the text on the wire.
/// </summary>
/// <remarks>
/// What becomes of the parts of a request target, by Kestrel's rules for HTTP/1.1 and HTTP/2 alike:
/// <list type="bullet">
/// <item>The query is cut off at the first <c>?</c>; a <c>#</c> is a character like any other.</item>
/// <item>Percent-encoding is decoded, once, as UTF-8. An encoded slash (<c>%2F</c>) stays as it is, and so does what is no
/// UTF-8 (longer forms than needed, halves of characters).</item>
/// <item>Dot segments are resolved after that, so <c>%2e%2e</c> is one, and <c>..%2f</c> is none; nothing leads above the root.</item>
/// <item>Runs of slashes, case, a slash at the end, dots and spaces at the end of a segment, backslashes and <c>;parameters</c>
/// stay as they are.</item>
/// </list>
/// An allowing permission compares the result exactly. What lies below may find the same thing under more spellings, so with
/// <c>looseDenials</c> (<see cref="IntentionEvaluator"/>) a denying permission takes any case and a slash at the end or none, as
/// routing does, and runs of slashes as one, as file systems do; on Windows also backslashes for slashes and no dots or spaces at
/// the end of a segment. Not known to it: rewriting by the app itself, links in the file system, and the short names of Windows.
/// </remarks>
public static class RequestPath
{
    // Two hexadecimal digits after the sign.
    private const int EncodedLength = 3;
    private const int LongestCharacter = 4;

    /// <summary>The path the app sees for a request target.</summary>
    /// <param name="target">
    /// The target as it is on the wire: a path with its leading slash, perhaps with a query, or a whole URL. Anything else is
    /// given back as it is.
    /// </param>
    public static string FromTarget(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (!target.StartsWith('/'))
        {
            return Uri.TryCreate(target, UriKind.Absolute, out var whole) ? whole.LocalPath : target;
        }

        var query = target.IndexOf('?', StringComparison.Ordinal);
        return ResolveDots(Decode(query < 0 ? target : target[..query]));
    }

    private static string Decode(string path)
    {
        if (!path.Contains('%', StringComparison.Ordinal))
        {
            return path;
        }

        var decoded = new StringBuilder(path.Length);
        for (var i = 0; i < path.Length;)
        {
            if (TryReadCharacter(path, i, out var rune, out var length))
            {
                decoded.Append(rune.ToString());
                i += length;
            }
            else
            {
                decoded.Append(path[i++]);
            }
        }

        return decoded.ToString();
    }

    private static bool TryReadCharacter(string path, int start, out Rune rune, out int length)
    {
        Span<byte> bytes = stackalloc byte[LongestCharacter];
        (rune, length) = (default, 0);
        for (var count = 1; count <= LongestCharacter; count++)
        {
            var at = start + length;
            if (at + EncodedLength > path.Length || path[at] != '%'
                || !byte.TryParse(path.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bytes[count - 1]))
            {
                return false;
            }

            length += EncodedLength;
            switch (Rune.DecodeFromUtf8(bytes[..count], out rune, out _))
            {
                case OperationStatus.Done:
                    return rune.Value != '/';
                case OperationStatus.InvalidData:
                    return false;
            }
        }

        return false;
    }

    private static string ResolveDots(string path)
    {
        if (!path.Contains("/.", StringComparison.Ordinal))
        {
            return path;
        }

        var resolved = new StringBuilder(path.Length);
        var segments = path.AsSpan(1);
        for (var isLast = false; !isLast;)
        {
            var end = segments.IndexOf('/');
            isLast = end < 0;
            var segment = isLast ? segments : segments[..end];
            segments = isLast ? [] : segments[(end + 1)..];
            if (segment is "." or "..")
            {
                resolved.Length = segment.Length == 2 ? LastSlash(resolved) : resolved.Length;
                resolved.Append(isLast ? "/" : string.Empty);
            }
            else
            {
                resolved.Append('/').Append(segment);
            }
        }

        return resolved.ToString();
    }

    private static int LastSlash(StringBuilder text)
    {
        var at = text.Length;
        while (at > 0 && text[--at] != '/')
        {
        }

        return at;
    }
}
