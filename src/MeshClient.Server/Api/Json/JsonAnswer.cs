using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MeshClient.Server.Api.Json;

/// <summary>
/// Writes JSON in Consul's form: compact, or indented by four spaces; <c>&lt;</c>, <c>&gt;</c> and <c>&amp;</c> as <c>\u003c</c>,
/// <c>\u003e</c>, <c>\u0026</c>, everything else plain.
/// </summary>
internal static class JsonAnswer
{
    public static readonly JsonWriterOptions Compact = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    private static readonly JsonWriterOptions Pretty = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Indented = true,
        IndentSize = 4,
        NewLine = "\n",
    };

    private static readonly SearchValues<byte> Escaped = SearchValues.Create("<>&"u8);

    /// <summary>Writes a value into a buffer the caller disposes.</summary>
    public static PooledBuffer Write(Action<Utf8JsonWriter> write, bool pretty)
    {
        var buffer = new PooledBuffer();
        try
        {
            using (var writer = new Utf8JsonWriter(buffer, pretty ? Pretty : Compact))
            {
                write(writer);
            }

            // These three bytes are never part of JSON's own syntax, so each one found is inside a text.
            return buffer.Written.Span.IndexOfAny(Escaped) < 0 ? buffer : Escape(buffer);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>Writes a value as compact text, to be kept.</summary>
    public static string ToText(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Compact))
        {
            write(writer);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static PooledBuffer Escape(PooledBuffer source)
    {
        var target = new PooledBuffer();
        var rest = source.Written.Span;
        while (rest.IndexOfAny(Escaped) is >= 0 and var position)
        {
            target.Write(rest[..position]);
            target.Write(rest[position] switch
            {
                (byte)'<' => "\\u003c"u8,
                (byte)'>' => "\\u003e"u8,
                _ => "\\u0026"u8,
            });
            rest = rest[(position + 1)..];
        }

        target.Write(rest);
        source.Dispose();
        return target;
    }
}
