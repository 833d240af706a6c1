using MeshClient.Core.Intentions;

namespace MeshClient.Tool.Commands;

/// <summary>The headers of a request that is only imagined.</summary>
internal readonly struct HeaderList : IHeaderLookup
{
    private readonly IReadOnlyList<(string Name, string Value)> _lines;

    private HeaderList(IReadOnlyList<(string Name, string Value)> lines) => _lines = lines;

    /// <summary>Reads lines of the form <c>name: value</c>.</summary>
    /// <exception cref="ToolException">One has no colon.</exception>
    public static HeaderList Parse(IEnumerable<string> lines)
    {
        var parsed = new List<(string Name, string Value)>();
        foreach (var line in lines)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            parsed.Add(colon > 0
                ? (line[..colon].Trim(), line[(colon + 1)..].Trim())
                : throw new ToolException(ExitCodes.Usage, $"The header '{line}' is not of the form 'name: value'."));
        }

        return new HeaderList(parsed);
    }

    public string? Find(string name)
    {
        var values = LinesOf(name).ToList();
        return values.Count == 0 ? null : string.Join(',', values);
    }

    public string? FindLine(string name, int index) => LinesOf(name).ElementAtOrDefault(index);

    private IEnumerable<string> LinesOf(string name) =>
        _lines.Where(line => string.Equals(line.Name, name, StringComparison.OrdinalIgnoreCase)).Select(line => line.Value);
}
