using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Filters;

namespace MeshClient.Server.ConfigEntries;

/// <summary>
/// What a value of a config entry may be. Reading is as lenient as Consul's, which takes the same entries from HCL files: a
/// single element stands for a list of one and the other way round, texts stand for numbers, keys come in any case and also
/// with underscores. What is read comes out in one form: Consul's keys in Consul's order, empty parts left out.
/// </summary>
internal abstract class ConfigShape
{
    /// <summary>What stands for a value that is not there, where one has to stand.</summary>
    public virtual JsonNode? Empty => null;

    protected virtual bool IsList => false;

    protected virtual bool IsObject => false;

    /// <summary>Reads a value.</summary>
    /// <returns>The value in its one form; null when it is empty.</returns>
    public JsonNode? Read(JsonElement value, string path, ConfigProblems problems)
    {
        if (value.ValueKind == JsonValueKind.Array && !IsList)
        {
            var items = value.GetArrayLength();
            if (items == 0 && !IsObject)
            {
                return null;
            }

            if (items == 1)
            {
                value = value[0];
            }
        }

        return value.ValueKind == JsonValueKind.Null ? null : ReadValue(value, path, problems);
    }

    protected abstract JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems);

    protected static string KindOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "slice",
        JsonValueKind.Object => "map",
        JsonValueKind.String => "string",
        JsonValueKind.Number => "float64",
        _ => "bool",
    };

    protected static void Mismatch(string path, string type, JsonElement value, ConfigProblems problems) => problems.Bad(
        $"'{path}' expected type '{type}', got unconvertible type '{(value.ValueKind == JsonValueKind.Array ? "[]interface {}" : "map[string]interface {}")}'");
}

/// <summary>A text.</summary>
internal sealed class TextShape : ConfigShape
{
    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return value.GetString() is { Length: > 0 } text ? JsonValue.Create(text) : null;
            case JsonValueKind.Number:
                return JsonValue.Create(value.TryGetDecimal(out var number)
                    ? number.ToString("0.############################", CultureInfo.InvariantCulture)
                    : value.GetRawText());
            case JsonValueKind.True or JsonValueKind.False:
                return JsonValue.Create(value.ValueKind == JsonValueKind.True ? "1" : "0");
            default:
                Mismatch(path, "string", value, problems);
                return null;
        }
    }
}

/// <summary>A truth value.</summary>
/// <param name="keepsFalse">Whether false is given back as well.</param>
internal sealed class FlagShape(bool keepsFalse = false) : ConfigShape
{
    public override JsonNode? Empty => JsonValue.Create(false);

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        var flag = false;
        switch (value.ValueKind)
        {
            case JsonValueKind.True or JsonValueKind.False:
                flag = value.ValueKind == JsonValueKind.True;
                break;
            case JsonValueKind.Number:
                flag = value.TryGetDouble(out var number) && number != 0;
                break;
            case JsonValueKind.String:
                if (value.GetString() is { Length: > 0 } text && !GoText.TryParseBool(text, out flag, out var problem))
                {
                    problems.Bad($"cannot parse '{path}' as bool: {problem}");
                }

                break;
            default:
                Mismatch(path, "bool", value, problems);
                break;
        }

        return flag || keepsFalse ? JsonValue.Create(flag) : null;
    }
}

/// <summary>A whole number.</summary>
/// <param name="minimum">The least it may be.</param>
/// <param name="maximum">The most it may be.</param>
/// <param name="keepsZero">Whether zero says something else than nothing.</param>
internal sealed class NumberShape(long minimum = int.MinValue, long maximum = int.MaxValue, bool keepsZero = false) : ConfigShape
{
    private readonly string _type = minimum == 0 ? "uint" : "int";

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        long number = 0;
        switch (value.ValueKind)
        {
            case JsonValueKind.Number:
                // A fraction is cut off, as Go's conversion does.
                number = value.TryGetInt64(out var whole) ? whole
                    : value.TryGetDouble(out var real) && Math.Abs(real) < long.MaxValue ? (long)real
                    : minimum - 1;
                break;
            case JsonValueKind.String:
                if (!GoText.TryParseInt(value.GetString()!, out number, out var problem))
                {
                    var name = minimum == 0 ? "strconv.ParseUint" : "strconv.ParseInt";
                    problems.Bad($"cannot parse '{path}' as {_type}: {problem.Replace("strconv.ParseInt", name, StringComparison.Ordinal)}");
                    return null;
                }

                break;
            case JsonValueKind.True or JsonValueKind.False:
                number = value.ValueKind == JsonValueKind.True ? 1 : 0;
                break;
            default:
                Mismatch(path, _type, value, problems);
                return null;
        }

        if (number < minimum || number > maximum)
        {
            problems.Bad($"cannot parse '{path}', {value.GetRawText()} overflows {_type}");
            return null;
        }

        return number == 0 && !keepsZero ? null : JsonValue.Create(number);
    }
}

/// <summary>The share of a split, in percent and rounded to a hundredth.</summary>
internal sealed class WeightShape : ConfigShape
{
    public override JsonNode? Empty => JsonValue.Create(0);

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        double weight;
        switch (value.ValueKind)
        {
            case JsonValueKind.Number:
                weight = value.TryGetDouble(out var number) ? number : double.PositiveInfinity;
                break;
            case JsonValueKind.String:
                if (!double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out weight))
                {
                    problems.Bad($"cannot parse '{path}' as float: strconv.ParseFloat: parsing {GoText.Quote(value.GetString()!)}: invalid syntax");
                    return null;
                }

                break;
            default:
                Mismatch(path, "float32", value, problems);
                return null;
        }

        // Beyond any sum that could be right, so that no number here is out of range anywhere later.
        if (!(Math.Abs(weight) < 1_000_000))
        {
            problems.Bad($"cannot parse '{path}', {value.GetRawText()} overflows float32");
            return null;
        }

        return JsonValue.Create((decimal)Math.Round(weight, 2, MidpointRounding.AwayFromZero));
    }
}

/// <summary>A length of time: Go's text, or a number of nanoseconds; given back as text.</summary>
internal sealed class DurationShape : ConfigShape
{
    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        var duration = default(GoDuration);
        switch (value.ValueKind)
        {
            case JsonValueKind.Number:
                if (!value.TryGetDouble(out var nanoseconds) || Math.Abs(nanoseconds) >= long.MaxValue)
                {
                    problems.Bad($"cannot parse '{path}', {value.GetRawText()} overflows int");
                    return null;
                }

                duration = new GoDuration(value.TryGetInt64(out var whole) ? whole : (long)nanoseconds);
                break;
            case JsonValueKind.String:
                if (!GoDuration.TryParse(value.GetString()!, out duration, out var problem))
                {
                    problems.Bad($"error decoding '{path}': {problem}");
                    return null;
                }

                break;
            default:
                Mismatch(path, "time.Duration", value, problems);
                return null;
        }

        return duration.Nanoseconds == 0 ? null : JsonValue.Create(duration.ToString());
    }
}

/// <summary>A list.</summary>
internal sealed class ListShape(ConfigShape item) : ConfigShape
{
    public override JsonNode Empty => new JsonArray();

    protected override bool IsList => true;

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        var list = new JsonArray();
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var element in value.EnumerateArray())
            {
                list.Add(item.Read(element, $"{path}[{list.Count}]", problems) ?? EmptyItem());
            }
        }
        else if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Any())
        {
            list.Add(item.Read(value, $"{path}[0]", problems) ?? EmptyItem());
        }

        return list.Count == 0 ? null : list;
    }

    private JsonNode EmptyItem() => item.Empty ?? (item is TextShape ? JsonValue.Create(string.Empty) : JsonValue.Create(0));
}

/// <summary>A map from names to values of one shape; names are kept as they are.</summary>
internal sealed class MapShape(ConfigShape item) : ConfigShape
{
    public override JsonNode Empty => new JsonObject();

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            problems.Bad($"'{path}' expected a map, got '{KindOf(value)}'");
            return null;
        }

        var map = new SortedDictionary<string, JsonNode?>(StringComparer.Ordinal);
        foreach (var property in value.EnumerateObject())
        {
            map[property.Name] = item.Read(property.Value, $"{path}[{property.Name}]", problems) ?? item.Empty ?? JsonValue.Create(string.Empty);
        }

        return map.Count == 0 ? null : new JsonObject(map);
    }
}

/// <summary>Anything, given back as it came; only the order of keys is made one.</summary>
internal sealed class FreeShape : ConfigShape
{
    protected override bool IsList => true;

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems) => Copy(value);

    private static JsonNode? Copy(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.Array:
                return new JsonArray([.. value.EnumerateArray().Select(Copy)]);
            case JsonValueKind.Object:
                var map = new SortedDictionary<string, JsonNode?>(StringComparer.Ordinal);
                foreach (var property in value.EnumerateObject())
                {
                    map[property.Name] = Copy(property.Value);
                }

                return new JsonObject(map);
            case JsonValueKind.String:
                return JsonValue.Create(value.GetString());
            default:
                return JsonValue.Create(value.Clone());
        }
    }
}

/// <summary>A map with anything in it.</summary>
internal sealed class FreeMapShape : ConfigShape
{
    private static readonly FreeShape Anything = new();

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            return Anything.Read(value, path, problems);
        }

        problems.Bad($"'{path}' expected a map, got '{KindOf(value)}'");
        return null;
    }
}

/// <summary>Something that is read over.</summary>
internal sealed class IgnoredShape : ConfigShape
{
    protected override bool IsList => true;

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems) => null;
}
