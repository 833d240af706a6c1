using MeshClient.Core.Intentions;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>A request's headers as intentions read them.</summary>
internal readonly struct HeaderLookup(IHeaderDictionary headers) : IHeaderLookup
{
    public string? Find(string name) => headers.TryGetValue(name, out var values) ? values.ToString() : null;

    public string? FindLine(string name, int index) =>
        headers.TryGetValue(name, out var values) && index < values.Count ? values[index] ?? string.Empty : null;
}
