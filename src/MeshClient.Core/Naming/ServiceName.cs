using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Core.Naming;

/// <summary>
/// The name of a service, such as <c>orders</c>. 1 to 128 characters of <c>A-Z a-z 0-9 - _ .</c>, beginning with a letter
/// or digit, so that a name is at once a host label, a path segment of a SPIFFE id and a key in a registry.
/// Two names are equal when they are equal letter by letter, case included, as intentions compare them.
/// </summary>
public readonly record struct ServiceName : IComparable<ServiceName>
{
    /// <summary>The greatest length of a name, in characters.</summary>
    public const int MaxLength = 128;

    private readonly string? _value;

    private ServiceName(string value) => _value = value;

    /// <summary>The text of the name; empty for the default value, which names no service.</summary>
    public string Value => _value ?? string.Empty;

    /// <summary>Whether this is the default value, which names no service.</summary>
    public bool IsEmpty => _value is null;

    /// <summary>Reads a name.</summary>
    /// <exception cref="FormatException">The text is not a service name; the message says why.</exception>
    public static ServiceName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var name)
            ? name
            : throw new FormatException(
                $"'{text}' is not a service name: 1 to {MaxLength} characters of A-Z a-z 0-9 - _ . are allowed, the first a letter or digit.");
    }

    /// <summary>Reads a name without throwing.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out ServiceName name)
    {
        if (text is { Length: > 0 and <= MaxLength } && char.IsAsciiLetterOrDigit(text[0]))
        {
            foreach (var c in text)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
                {
                    name = default;
                    return false;
                }
            }

            name = new ServiceName(text);
            return true;
        }

        name = default;
        return false;
    }

    /// <inheritdoc/>
    public int CompareTo(ServiceName other) => string.CompareOrdinal(Value, other.Value);

    /// <summary>The text of the name.</summary>
    public override string ToString() => Value;

    /// <summary>Orders names by their text.</summary>
    public static bool operator <(ServiceName left, ServiceName right) => left.CompareTo(right) < 0;

    /// <summary>Orders names by their text.</summary>
    public static bool operator >(ServiceName left, ServiceName right) => left.CompareTo(right) > 0;

    /// <summary>Orders names by their text.</summary>
    public static bool operator <=(ServiceName left, ServiceName right) => left.CompareTo(right) <= 0;

    /// <summary>Orders names by their text.</summary>
    public static bool operator >=(ServiceName left, ServiceName right) => left.CompareTo(right) >= 0;
}
