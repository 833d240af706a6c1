using System.Text;

namespace MeshClient.Tool.Registry;

/// <summary>Writes paths and queries of the API, with everything escaped that a name or key may hold.</summary>
internal static class RegistryPath
{
    /// <summary>A path of fixed parts and one name.</summary>
    public static string Of(string prefix, string name) => prefix + Uri.EscapeDataString(name);

    /// <summary>A path that ends with a key, whose slashes part it.</summary>
    public static string OfKey(string prefix, string key) =>
        prefix + string.Join('/', key.TrimStart('/').Split('/').Select(Uri.EscapeDataString));

    /// <summary>Adds a query; parameters without a value are left out, those with an empty one stand alone.</summary>
    public static string With(string path, params ReadOnlySpan<(string Name, string? Value)> parameters)
    {
        var query = new StringBuilder(path);
        var separator = path.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        foreach (var (name, value) in parameters)
        {
            if (value is null)
            {
                continue;
            }

            query.Append(separator).Append(name);
            if (value.Length > 0)
            {
                query.Append('=').Append(Uri.EscapeDataString(value));
            }

            separator = '&';
        }

        return query.ToString();
    }
}
