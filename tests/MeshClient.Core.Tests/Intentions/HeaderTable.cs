using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>Headers as a server keeps them: looked up without case.</summary>
internal readonly struct HeaderTable(Dictionary<string, string> headers) : IHeaderLookup
{
    public static HeaderTable None => new([]);

    public static HeaderTable With(string name, string value) =>
        new(new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { [name] = value });

    public string? Find(string name) => headers.GetValueOrDefault(name);
}
