using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace MeshClient.Server.Api.Json;

/// <summary>Parses a request body as leniently as Consul does: whatever follows the first value is ignored.</summary>
internal static class JsonBody
{
    /// <exception cref="JsonDecodeException">There is no JSON value.</exception>
    public static JsonDocument Parse(ReadOnlySpan<byte> body)
    {
        if (body.Trim(" \t\r\n"u8).IsEmpty)
        {
            throw new JsonDecodeException("EOF");
        }

        if (!Utf8.IsValid(body))
        {
            throw new JsonDecodeException("invalid UTF-8");
        }

        // Not told that the input is final, the reader reports a value that breaks off by false rather than by an exception.
        var reader = new Utf8JsonReader(body, isFinalBlock: false, default);
        try
        {
            return JsonDocument.TryParseValue(ref reader, out var document)
                ? document
                : ParseOpenEnded(body);
        }
        catch (JsonException e)
        {
            throw new JsonDecodeException(Describe(body, e));
        }
    }

    // A bare number at the very end of the input is complete only once the input is known to end there.
    private static JsonDocument ParseOpenEnded(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, isFinalBlock: true, default);
        try
        {
            return JsonDocument.ParseValue(ref reader);
        }
        catch (JsonException)
        {
            throw new JsonDecodeException("unexpected EOF");
        }
    }

    private static string Describe(ReadOnlySpan<byte> body, JsonException error)
    {
        var line = error.LineNumber ?? 0;
        var rest = body;
        for (; line > 0 && rest.IndexOf((byte)'\n') is >= 0 and var end; line--)
        {
            rest = rest[(end + 1)..];
        }

        var position = (int)(error.BytePositionInLine ?? 0);
        return position < rest.Length && rest[position] is >= 0x20 and < 0x7F
            ? $"invalid character '{(char)rest[position]}' looking for beginning of {Expected(body[..^rest.Length], rest[..position])}"
            : "invalid character";
    }

    // Only the two most common places are told apart; the sentence is for people.
    private static string Expected(ReadOnlySpan<byte> lines, ReadOnlySpan<byte> line)
    {
        var before = (Encoding.UTF8.GetString(lines) + Encoding.UTF8.GetString(line)).TrimEnd();
        return before.EndsWith('{') || before.EndsWith(',') ? "object key string" : "value";
    }
}
