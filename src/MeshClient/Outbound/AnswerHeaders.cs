using System.Net.Http.Headers;
using System.Runtime.CompilerServices;

namespace MeshClient.Outbound;

/// <summary>
/// Gives the headers of an answer's content to the content that stands in for it. <see cref="HttpContent"/> lets nobody choose its headers, and
/// a copy takes 150 bytes per answer, and with them come more pauses of the garbage collector. So where
/// <see cref="HttpContent"/> has the private field <c>_headers</c>, as in .NET 10, and the length is told, both have the same; else they are copied.
/// </summary>
internal static class AnswerHeaders
{
    /// <summary>Whether the runtime has that field.</summary>
    public static bool CanBeShared { get; } = FindsField();

    /// <summary>Gives one the headers of the other.</summary>
    /// <param name="from">The answer's own content.</param>
    /// <param name="to">What stands in for it, and has no headers so far.</param>
    public static void HandOver(HttpContent from, HttpContent to)
    {
        // Without a length among them, headers ask the content that they were made for, which is never buffered.
        if (CanBeShared && from.Headers.NonValidated.Contains("Content-Length"))
        {
            Field(to) = from.Headers;
        }
        else
        {
            Copy(from.Headers, to.Headers);
        }
    }

    private static void Copy(HttpContentHeaders from, HttpContentHeaders to)
    {
        foreach (var header in from.NonValidated)
        {
            // A header of one value, as nearly all are, goes over without being boxed and enumerated.
            if (header.Value.Count == 1)
            {
                to.TryAddWithoutValidation(header.Key, header.Value.ToString());
            }
            else
            {
                to.TryAddWithoutValidation(header.Key, header.Value);
            }
        }
    }

    private static bool FindsField()
    {
        try
        {
            using var content = new ByteArrayContent([]);
            return ReferenceEquals(content.Headers, Field(content));
        }
        catch (MissingFieldException)
        {
            return false;
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_headers")]
    private static extern ref HttpContentHeaders? Field(HttpContent content);
}
