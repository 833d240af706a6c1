using System.Text.RegularExpressions;
using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Server.Filters;

/// <summary>One name a filter can select.</summary>
/// <typeparam name="T">What it belongs to.</typeparam>
internal abstract class FilterField<T>
{
    /// <summary>Binds a comparison.</summary>
    /// <param name="match">The comparison.</param>
    /// <param name="next">Which name of the selector comes after this one's.</param>
    public abstract Predicate<T> Bind(MatchExpression match, int next);
}

/// <summary>What is wrong with a comparison, in Consul's words.</summary>
internal static class FilterField
{
    public static FilterException UnknownSelector(MatchExpression match, int last) =>
        new($"Selector \"{string.Join('.', match.Selector.AsSpan(0, last + 1).ToArray())}\" is not valid");

    public static FilterException Misfit(MatchExpression match) =>
        new($"Invalid match operator \"{match.Operator.ToText()}\" for selector \"{match.Path}\"");

    public static FilterException BadValue(MatchExpression match, string problem) =>
        new($"Failed to coerce value {GoText.Quote(match.Value)} for selector \"{match.Path}\": {problem}");

    /// <summary>Refuses a selector that goes on where there is nothing below.</summary>
    public static void ThrowIfLonger(MatchExpression match, int next)
    {
        if (next < match.Selector.Length)
        {
            throw UnknownSelector(match, next);
        }
    }

    public static Regex CompileRegex(string pattern) => LinearExpression.TryCompilePart(pattern, out var regex, out var problem)
        ? regex
        : throw new FilterException($"Failed to compile regular expression {GoText.Quote(pattern)}: error parsing regexp: {problem}");
}

/// <summary>A text; <c>in</c> means that it holds the value.</summary>
internal sealed class TextField<T>(Func<T, string> read) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        FilterField.ThrowIfLonger(match, next);
        var value = match.Value;
        switch (match.Operator)
        {
            case FilterOperator.Equal:
                return thing => string.Equals(read(thing), value, StringComparison.Ordinal);
            case FilterOperator.NotEqual:
                return thing => !string.Equals(read(thing), value, StringComparison.Ordinal);
            case FilterOperator.In:
                return thing => read(thing).Contains(value, StringComparison.Ordinal);
            case FilterOperator.NotIn:
                return thing => !read(thing).Contains(value, StringComparison.Ordinal);
            case FilterOperator.Matches:
                var matching = FilterField.CompileRegex(value);
                return thing => matching.IsMatch(read(thing));
            case FilterOperator.NotMatches:
                var other = FilterField.CompileRegex(value);
                return thing => !other.IsMatch(read(thing));
            default:
                throw FilterField.Misfit(match);
        }
    }
}

/// <summary>A whole number.</summary>
internal sealed class NumberField<T>(Func<T, long> read) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        FilterField.ThrowIfLonger(match, next);
        if (match.Operator is not (FilterOperator.Equal or FilterOperator.NotEqual))
        {
            throw FilterField.Misfit(match);
        }

        if (!GoText.TryParseInt(match.Value, out var value, out var problem))
        {
            throw FilterField.BadValue(match, problem);
        }

        return match.Operator == FilterOperator.Equal ? thing => read(thing) == value : thing => read(thing) != value;
    }
}

/// <summary>A truth value.</summary>
internal sealed class FlagField<T>(Func<T, bool> read) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        FilterField.ThrowIfLonger(match, next);
        if (match.Operator is not (FilterOperator.Equal or FilterOperator.NotEqual))
        {
            throw FilterField.Misfit(match);
        }

        if (!GoText.TryParseBool(match.Value, out var value, out var problem))
        {
            throw FilterField.BadValue(match, problem);
        }

        var wanted = value == (match.Operator == FilterOperator.Equal);
        return thing => read(thing) == wanted;
    }
}

/// <summary>A list of texts.</summary>
internal sealed class TextsField<T>(Func<T, EquatableArray<string>> read) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        FilterField.ThrowIfLonger(match, next);
        var value = match.Value;
        return match.Operator switch
        {
            FilterOperator.In => thing => read(thing).AsSpan().Contains(value),
            FilterOperator.NotIn => thing => !read(thing).AsSpan().Contains(value),
            FilterOperator.IsEmpty => thing => read(thing).Count == 0,
            FilterOperator.IsNotEmpty => thing => read(thing).Count > 0,
            _ => throw FilterField.Misfit(match),
        };
    }
}

/// <summary>An object.</summary>
internal sealed class ObjectField<T, TPart>(Func<T, TPart> read, FilterObject<TPart> part) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        var holds = part.Bind(match, next);
        return thing => holds(read(thing));
    }
}

/// <summary>A list of objects, of which one that fits is enough.</summary>
internal sealed class ListField<T, TPart>(Func<T, IEnumerable<TPart>> read, FilterObject<TPart> part) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        if (next == match.Selector.Length)
        {
            return match.Operator switch
            {
                FilterOperator.IsEmpty => thing => !read(thing).Any(),
                FilterOperator.IsNotEmpty => thing => read(thing).Any(),
                _ => throw FilterField.Misfit(match),
            };
        }

        var holds = part.Bind(match, next);
        return thing =>
        {
            foreach (var item in read(thing))
            {
                if (holds(item))
                {
                    return true;
                }
            }

            return false;
        };
    }
}

/// <summary>A map; <c>in</c> means that it has the key.</summary>
internal sealed class MapField<T, TPart>(
    Func<T, IEnumerable<KeyValuePair<string, TPart>>> read, FilterField<TPart> part) : FilterField<T>
{
    public override Predicate<T> Bind(MatchExpression match, int next)
    {
        if (next == match.Selector.Length)
        {
            var value = match.Value;
            return match.Operator switch
            {
                FilterOperator.In => thing => TryFind(thing, value, out _),
                FilterOperator.NotIn => thing => !TryFind(thing, value, out _),
                FilterOperator.IsEmpty => thing => !read(thing).Any(),
                FilterOperator.IsNotEmpty => thing => read(thing).Any(),
                _ => throw FilterField.Misfit(match),
            };
        }

        var key = match.Selector[next];
        var holds = part.Bind(match, next + 1);
        var otherwise = match.Operator is not (FilterOperator.Equal or FilterOperator.In or FilterOperator.IsNotEmpty);
        return thing => TryFind(thing, key, out var found) ? holds(found) : otherwise;
    }

    private bool TryFind(T thing, string key, out TPart found)
    {
        foreach (var (name, value) in read(thing))
        {
            if (string.Equals(name, key, StringComparison.Ordinal))
            {
                found = value;
                return true;
            }
        }

        found = default!;
        return false;
    }
}
