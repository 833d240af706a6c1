using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace MeshClient.Configuration;

/// <summary>
/// Finds keys of a configuration section that no option has, so that a misspelt one stops the app instead of being ignored.
/// The binder can refuse unknown keys itself, but stops at the first; this finds all of them.
/// </summary>
internal static class UnknownKeys
{
    /// <summary>Lists them as errors.</summary>
    /// <param name="section">The section.</param>
    /// <param name="type">The options it is bound to.</param>
    /// <param name="ignored">Subsections other packages own.</param>
    public static IEnumerable<string> Find(IConfigurationSection section, Type type, params string[] ignored)
    {
        var properties = type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite).ToList();
        foreach (var child in section.GetChildren())
        {
            if (ignored.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                continue;
            }

            var property = properties.Find(one => string.Equals(one.Name, child.Key, StringComparison.OrdinalIgnoreCase));
            if (property is null)
            {
                yield return $"{child.Path} is not a known setting. Known here: {string.Join(", ", properties.Select(one => one.Name).Order())}.";
                continue;
            }

            foreach (var error in FindInside(child, property.PropertyType))
            {
                yield return error;
            }
        }
    }

    private static IEnumerable<string> FindInside(IConfigurationSection section, Type type)
    {
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>))
        {
            var valueType = type.GetGenericArguments()[1];
            return IsOptions(valueType) ? section.GetChildren().SelectMany(entry => Find(entry, valueType)) : [];
        }

        return IsOptions(type) ? Find(section, type) : [];
    }

    private static bool IsOptions(Type type) => type.IsClass && type.Name.EndsWith("Options", StringComparison.Ordinal);
}
