using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>What is wrong with the form of an entry, collected so that all of it can be answered at once.</summary>
internal sealed class ConfigProblems
{
    private readonly List<string> _bad = [];
    private readonly List<string> _unknown = [];

    /// <summary>A value that cannot be read.</summary>
    public void Bad(string problem) => _bad.Add(problem);

    /// <summary>A key that nobody knows.</summary>
    public void Unknown(string path) => _unknown.Add($"invalid config key \"{path}\"");

    /// <summary>A key of what only Consul Enterprise has.</summary>
    public void Enterprise(string path) =>
        _unknown.Add($"invalid config key \"{path}\", namespaces are a consul enterprise feature");

    /// <exception cref="JsonDecodeException">Something is wrong.</exception>
    public void ThrowIfAny()
    {
        if (_bad.Count > 0)
        {
            _bad.Sort(StringComparer.Ordinal);
            throw new JsonDecodeException($"{_bad.Count} error(s) decoding:\n\n{string.Join('\n', _bad.Select(problem => $"* {problem}"))}");
        }

        if (_unknown.Count > 0)
        {
            throw new JsonDecodeException(ErrorList.Of(_unknown));
        }
    }
}
