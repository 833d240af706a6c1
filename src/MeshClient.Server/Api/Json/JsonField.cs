using System.Text;
using System.Text.Json;
using MeshClient.Core;

namespace MeshClient.Server.Api.Json;

/// <summary>One key of a JSON object and its value, read as Go's decoder reads: null means "as if absent".</summary>
/// <param name="Name">The key as it was written.</param>
/// <param name="Value">The value.</param>
/// <param name="Path">The path to the object it is in, for errors; empty at the top.</param>
internal readonly record struct JsonField(string Name, JsonElement Value, string Path)
{
    /// <summary>The key without regard to case.</summary>
    public string Key => Name.ToLowerInvariant();

    private bool IsNull => Value.ValueKind == JsonValueKind.Null;

    private string FullPath => Path + "." + Name;

    /// <summary>The fields of an object; none for null.</summary>
    /// <exception cref="JsonDecodeException">It is something else.</exception>
    public static IEnumerable<JsonField> In(JsonElement element, string path = "")
    {
        if (element.ValueKind == JsonValueKind.Null)
        {
            yield break;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new JsonDecodeException(path.Length == 0
                ? $"json: cannot unmarshal {KindOf(element)} into Go value of type struct"
                : $"json: cannot unmarshal {KindOf(element)} into Go struct field {path} of type struct");
        }

        foreach (var property in element.EnumerateObject())
        {
            yield return new JsonField(NameOf(property), property.Value, path);
        }
    }

    public IEnumerable<JsonField> Fields() => In(Value, FullPath);

    public JsonDecodeException Unknown() => new($"json: unknown field \"{Name}\"");

    public string Text() => IsNull ? string.Empty : Value.ValueKind == JsonValueKind.String ? Read(Value) : throw Mismatch("string");

    public bool Flag() => Value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.True => true,
        _ => throw Mismatch("bool"),
    };

    public int Number() =>
        IsNull ? 0
        : Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out var number) ? number
        : throw Mismatch("int");

    /// <summary>A number that may have a fraction; null for null.</summary>
    public double? Real() =>
        IsNull ? null
        : Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out var number) && double.IsFinite(number) ? number
        : throw Mismatch("float32");

    public ulong LongNumber() =>
        IsNull ? 0
        : Value.ValueKind == JsonValueKind.Number && Value.TryGetUInt64(out var number) ? number
        : throw Mismatch("uint64");

    /// <summary>Bytes as a text in base 64.</summary>
    public byte[] Bytes()
    {
        var text = Text();
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException)
        {
            throw new JsonDecodeException("illegal base64 data");
        }
    }

    /// <summary>A duration as Go text, or as a number of nanoseconds.</summary>
    public TimeSpan Duration()
    {
        switch (Value.ValueKind)
        {
            case JsonValueKind.Null:
                return TimeSpan.Zero;
            case JsonValueKind.Number:
                return Value.TryGetInt64(out var nanoseconds) ? new GoDuration(nanoseconds).ToTimeSpan() : throw Mismatch("time.Duration");
            case JsonValueKind.String:
                var text = Text();
                if (text.Length == 0)
                {
                    return TimeSpan.Zero;
                }

                return GoDuration.TryParse(text, out var duration, out var problem)
                    ? duration.ToTimeSpan()
                    : throw new JsonDecodeException(problem);
            default:
                throw Mismatch("time.Duration");
        }
    }

    public IReadOnlyList<JsonElement> Items() => Value.ValueKind switch
    {
        JsonValueKind.Null => [],
        JsonValueKind.Array => [.. Value.EnumerateArray()],
        _ => throw Mismatch("[]struct"),
    };

    public EquatableArray<string> Texts()
    {
        var texts = new List<string>();
        foreach (var item in Items())
        {
            texts.Add(new JsonField(Name, item, Path).Text());
        }

        return EquatableArray.From(texts);
    }

    /// <summary>A map of texts, ordered by key; of a key that comes twice the last counts.</summary>
    public EquatableArray<KeyValuePair<string, string>> TextMap()
    {
        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var field in Fields())
        {
            map[field.Name] = field.Text();
        }

        return EquatableArray.From(map);
    }

    /// <summary>The value as compact JSON; null for null.</summary>
    public string? Json()
    {
        if (IsNull)
        {
            return null;
        }

        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, JsonAnswer.Compact))
        {
            try
            {
                Value.WriteTo(writer);
            }
            catch (Exception e) when (e is InvalidOperationException or ArgumentException)
            {
                throw new JsonDecodeException("invalid surrogate pair in string");
            }
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    private static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new JsonDecodeException("invalid surrogate pair in string");
        }
    }

    private static string Read(JsonElement text)
    {
        try
        {
            return text.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // An escaped half of a surrogate pair: no text at all.
            throw new JsonDecodeException("invalid surrogate pair in string");
        }
    }

    private static string KindOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => "array",
        JsonValueKind.Object => "object",
        JsonValueKind.String => "string",
        JsonValueKind.Number => "number",
        _ => "bool",
    };

    private JsonDecodeException Mismatch(string type) =>
        new($"json: cannot unmarshal {KindOf(Value)} into Go struct field {FullPath} of type {type}");
}
