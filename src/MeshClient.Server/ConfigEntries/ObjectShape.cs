using System.Text.Json;
using System.Text.Json.Nodes;

namespace MeshClient.Server.ConfigEntries;

/// <summary>One field of an object.</summary>
/// <param name="Name">Consul's name.</param>
/// <param name="Shape">What it may be.</param>
/// <param name="IsAlways">Whether it is given back also when it is empty.</param>
internal sealed record ConfigField(string Name, ConfigShape Shape, bool IsAlways = false);

/// <summary>An object with known fields.</summary>
internal sealed class ObjectShape : ConfigShape
{
    private readonly ConfigField[] _fields;
    private readonly Dictionary<string, int> _positions;
    private readonly bool _isPointer;

    /// <param name="isPointer">Whether an object without anything in it says something else than none.</param>
    /// <param name="fields">The fields, in the order they are given back.</param>
    public ObjectShape(bool isPointer, params ConfigField[] fields)
    {
        _isPointer = isPointer;
        _fields = fields;
        _positions = fields.Select((field, i) => (field, i)).ToDictionary(pair => Plain(pair.field.Name), pair => pair.i, StringComparer.Ordinal);
    }

    /// <summary>Whether keys that nobody knows are read over.</summary>
    public bool IgnoresUnknown { get; init; }

    public override JsonNode Empty => Build(new JsonNode?[_fields.Length]);

    protected override bool IsObject => true;

    protected override JsonNode? ReadValue(JsonElement value, string path, ConfigProblems problems)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            problems.Bad($"'{path}' expected a map, got '{KindOf(value)}'");
            return null;
        }

        var built = Build(ReadFields(value, path, problems));
        return built.Count == 0 && !_isPointer ? null : built;
    }

    private JsonNode?[] ReadFields(JsonElement value, string path, ConfigProblems problems)
    {
        var values = new JsonNode?[_fields.Length];
        var names = new string?[_fields.Length];
        foreach (var property in value.EnumerateObject())
        {
            var full = path.Length == 0 ? property.Name : $"{path}.{property.Name}";
            if (!_positions.TryGetValue(Plain(property.Name), out var i))
            {
                if (!IgnoresUnknown)
                {
                    RefuseUnknown(property, full, problems);
                }

                continue;
            }

            var field = _fields[i];
            if (names[i] is { } other && other != property.Name)
            {
                // Of two spellings the exact one counts, and the other is a key nobody knows.
                var exact = other == field.Name ? other : property.Name;
                problems.Unknown(exact == other ? full : path.Length == 0 ? other : $"{path}.{other}");
                if (exact == other)
                {
                    continue;
                }
            }

            names[i] = property.Name;
            values[i] = field.Shape.Read(property.Value, path.Length == 0 ? field.Name : $"{path}.{field.Name}", problems);
        }

        return values;
    }

    private JsonObject Build(JsonNode?[] values)
    {
        var built = new JsonObject();
        for (var i = 0; i < _fields.Length; i++)
        {
            if (values[i] is not null)
            {
                built.Add(_fields[i].Name, values[i]);
            }
            else if (_fields[i].IsAlways)
            {
                built.Add(_fields[i].Name, _fields[i].Shape.Empty);
            }
        }

        return built;
    }

    // There is one namespace and one partition here, whose name may be given or not.
    private static void RefuseUnknown(JsonProperty property, string path, ConfigProblems problems)
    {
        if (Plain(property.Name) is not ("namespace" or "partition"))
        {
            problems.Unknown(path);
        }
        else if (property.Value.ValueKind != JsonValueKind.Null
            && !(property.Value.ValueKind == JsonValueKind.String && property.Value.GetString() is "" or "default"))
        {
            problems.Enterprise(path);
        }
    }

    private static string Plain(string name) => name.Replace("_", string.Empty, StringComparison.Ordinal).ToLowerInvariant();
}
