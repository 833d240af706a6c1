using System.Collections;
using System.ComponentModel;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace MeshClient.Configuration;

/// <summary>
/// Finds what of a configuration section cannot be bound to its options: keys no option has, so that a misspelt one stops the
/// app instead of being ignored, and values that are none of their option's type.
/// </summary>
/// <remarks>
/// The binder can refuse unknown keys itself, but stops at the first. Of a bad value it tells by an exception of its own, and
/// inside an entry of a dictionary not at all: there it drops the entry with all that was right in it.
/// </remarks>
internal static class SectionChecks
{
    /// <summary>Lists what is wrong.</summary>
    /// <param name="section">The section.</param>
    /// <param name="type">The options it is bound to.</param>
    /// <param name="ignored">Subsections other packages own.</param>
    public static IEnumerable<SectionProblem> Find(IConfigurationSection section, Type type, params IReadOnlyCollection<string> ignored)
    {
        if (!string.IsNullOrEmpty(section.Value))
        {
            yield return NotAValue(section, "settings of its own below it");
        }

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
                yield return new SectionProblem(
                    child.Path, $"{child.Path} is not a known setting. Known here: {string.Join(", ", properties.Select(one => one.Name).Order())}.");
                continue;
            }

            foreach (var problem in FindInside(child, property.PropertyType))
            {
                yield return problem;
            }
        }
    }

    private static IEnumerable<SectionProblem> FindInside(IConfigurationSection section, Type type)
    {
        if (IsOptions(type))
        {
            return Find(section, type);
        }

        if (type == typeof(string) || !type.IsAssignableTo(typeof(IEnumerable)))
        {
            return FindInValue(section, type);
        }

        // Lists and dictionaries: the last type argument is what their elements are.
        var element = type.GetGenericArguments()[^1];
        var inside = section.GetChildren().SelectMany(entry => FindInside(entry, element));
        return string.IsNullOrEmpty(section.Value) ? inside : inside.Prepend(NotAValue(section, "one key below it for each of its values"));
    }

    private static IEnumerable<SectionProblem> FindInValue(IConfigurationSection section, Type type)
    {
        foreach (var child in section.GetChildren())
        {
            yield return new SectionProblem(child.Path, $"{child.Path} is not a known setting: {section.Path} is a single value.");
        }

        // A section that is there without a value is one the children of which have been reported, or a null.
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        var mayBeEmpty = bare != type || !type.IsValueType;
        if (section.Value is null ? !mayBeEmpty && !section.GetChildren().Any() : !Converts(section.Value, bare, mayBeEmpty))
        {
            yield return new SectionProblem(section.Path, $"{section.Path} is '{section.Value}'; it has to be {Expected(bare)}.");
        }
    }

    // By the converters the binder uses, so that both agree on what is good.
    private static bool Converts(string value, Type type, bool mayBeEmpty)
    {
        if (type == typeof(string) || (mayBeEmpty && value.Length == 0))
        {
            return true;
        }

        try
        {
            return TypeDescriptor.GetConverter(type).ConvertFromInvariantString(value) is not null;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException or NotSupportedException or InvalidCastException)
        {
            return false;
        }
    }

    private static string Expected(Type type) =>
        type == typeof(TimeSpan) ? "a time such as 00:00:05 or 00:00:00.250"
        : type == typeof(bool) ? "true or false"
        : type == typeof(int) ? "a whole number"
        : type == typeof(double) ? "a number such as 0.2"
        : type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type))}"
        : $"a {type.Name}";

    // The value is not shown: what stands in the wrong place may be a secret.
    private static SectionProblem NotAValue(IConfigurationSection section, string expected) =>
        new(section.Path, $"{section.Path} has a value; it has to have {expected}.");

    /// <summary>Whether a type holds settings of its own rather than being a single value.</summary>
    public static bool IsOptions(Type type) => type.IsClass && type.Name.EndsWith("Options", StringComparison.Ordinal);
}

/// <summary>Something of a configuration that cannot be bound.</summary>
/// <param name="Path">The whole key.</param>
/// <param name="Error">What is wrong with it: key, value and what is expected.</param>
internal readonly record struct SectionProblem(string Path, string Error);
