using System.Buffers;

namespace MeshClient.Consul.Wire;

/// <summary>Reads a body into a pooled buffer, up to a limit. Buffers that are left behind on the way are cleared.</summary>
internal static class BodyReader
{
    private const int FirstSize = 16 * 1024;

    /// <summary>Reads to the end.</summary>
    /// <returns>The buffer, which the caller gives back, and how much of it is used; null when the body is over the limit.</returns>
    public static async Task<(byte[] Buffer, int Length)?> ReadAsync(HttpContent content, int limit, CancellationToken cancellationToken)
    {
        if (content.Headers.ContentLength > limit)
        {
            return null;
        }

        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(limit + 1L, (content.Headers.ContentLength ?? FirstSize) + 1));
            var length = 0;
            try
            {
                while (true)
                {
                    var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
                    if (read == 0)
                    {
                        var result = (buffer, length);
                        buffer = null;
                        return result;
                    }

                    length += read;
                    if (length > limit)
                    {
                        return null;
                    }

                    if (length == buffer.Length)
                    {
                        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(limit + 1L, buffer.Length * 2L));
                        buffer.AsSpan(0, length).CopyTo(larger);
                        ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
                        buffer = larger;
                    }
                }
            }
            finally
            {
                if (buffer is not null)
                {
                    ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
                }
            }
        }
    }
}
