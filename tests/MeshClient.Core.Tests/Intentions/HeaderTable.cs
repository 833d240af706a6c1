using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>Headers as a server keeps them: looked up without case, each with the lines it came in.</summary>
internal readonly struct HeaderTable(Dictionary<string, string[]> headers) : IHeaderLookup
{
    public HeaderTable(Dictionary<string, string> headers)
        : this(headers.ToDictionary(header => header.Key, header => (string[])[header.Value], headers.Comparer))
    {
    }

    public static HeaderTable None => new(new Dictionary<string, string[]>());

    public static HeaderTable With(string name, params string[] lines) =>
        new(new Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase) { [name] = lines });

    public string? Find(string name) => headers.TryGetValue(name, out var lines) ? string.Join(',', lines) : null;

    public string? FindLine(string name, int index) => headers.GetValueOrDefault(name)?.ElementAtOrDefault(index);
}
