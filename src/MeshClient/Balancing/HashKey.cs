using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace MeshClient.Balancing;

/// <summary>
/// What of a request decides about its instance: parts of it, written as <c>header:NAME</c>, <c>cookie:NAME</c>,
/// <c>query:NAME</c> or <c>path</c>, joined by commas. Several are combined as gRPC A42 does: the hash so far is turned by one bit
/// and the next one added to it. Names of headers are compared without regard to case, the others exactly.
/// </summary>
internal sealed class HashKey
{
    private readonly Part[] _parts;

    private HashKey(Part[] parts) => _parts = parts;

    private enum Source
    {
        Header,
        Cookie,
        Query,
        Path,
    }

    /// <summary>Reads a key's text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">The key.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out HashKey? key)
    {
        key = null;
        var parts = new List<Part>();
        foreach (var written in (text ?? string.Empty).Split(',', StringSplitOptions.TrimEntries))
        {
            var colon = written.IndexOf(':', StringComparison.Ordinal);
            var (kind, name) = colon < 0 ? (written, string.Empty) : (written[..colon], written[(colon + 1)..].Trim());
            Source? source = kind switch
            {
                "header" when name.Length > 0 => Source.Header,
                "cookie" when name.Length > 0 => Source.Cookie,
                "query" when name.Length > 0 => Source.Query,
                "path" when colon < 0 => Source.Path,
                _ => null,
            };
            if (source is null)
            {
                return false;
            }

            parts.Add(new Part(source.Value, name));
        }

        key = new HashKey([.. parts]);
        return true;
    }

    /// <summary>The hash of a request's key; null when the request has none of its parts.</summary>
    public ulong? Of(HttpRequestMessage request)
    {
        ulong? combined = null;
        foreach (var part in _parts)
        {
            if (Hash(part, request) is { } hash)
            {
                combined = combined is { } before ? BitOperations.RotateLeft(before, 1) ^ hash : hash;
            }
        }

        return combined;
    }

    private static ulong? Hash(Part part, HttpRequestMessage request) => part.Source switch
    {
        Source.Header => HashHeader(part.Name, request),
        Source.Cookie => HashPair(Header("Cookie", request), ';', part.Name),
        Source.Query => request.RequestUri is { } uri ? HashPair(uri.Query.AsSpan().TrimStart('?'), '&', part.Name) : null,
        _ => request.RequestUri is { } uri ? XxHash64.Hash(uri.AbsolutePath) : null,
    };

    private static ulong? HashHeader(string name, HttpRequestMessage request) =>
        request.Headers.NonValidated.TryGetValues(name, out var values)
        || request.Content?.Headers.NonValidated.TryGetValues(name, out values) == true
            ? XxHash64.Hash(values.ToString())
            : null;

    private static ReadOnlySpan<char> Header(string name, HttpRequestMessage request) =>
        request.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : default;

    private static ulong? HashPair(ReadOnlySpan<char> pairs, char separator, string name)
    {
        foreach (var range in pairs.Split(separator))
        {
            var pair = pairs[range].Trim();
            var equals = pair.IndexOf('=');
            if (equals >= 0 && pair[..equals].SequenceEqual(name))
            {
                return XxHash64.Hash(pair[(equals + 1)..]);
            }
        }

        return null;
    }

    private readonly record struct Part(Source Source, string Name);
}
