using System.Collections.Immutable;

namespace MeshClient.Server.Filters;

/// <summary>A filter as it was written, before it is known what it is about.</summary>
internal abstract record FilterExpression;

/// <summary>All of several hold.</summary>
internal sealed record AllExpression(ImmutableArray<FilterExpression> Parts) : FilterExpression;

/// <summary>One of several holds.</summary>
internal sealed record AnyExpression(ImmutableArray<FilterExpression> Parts) : FilterExpression;

/// <summary>Something does not hold.</summary>
internal sealed record NotExpression(FilterExpression Part) : FilterExpression;

/// <summary>One comparison.</summary>
/// <param name="Selector">The path to what is compared.</param>
/// <param name="Operator">How.</param>
/// <param name="Value">With what; empty for the operators that take nothing.</param>
internal sealed record MatchExpression(ImmutableArray<string> Selector, FilterOperator Operator, string Value) : FilterExpression
{
    /// <summary>The selector as it stands in errors.</summary>
    public string Path => string.Join('.', Selector);
}

/// <summary>How something is compared. <c>contains</c> is <see cref="In"/> the other way round.</summary>
internal enum FilterOperator
{
    Equal,
    NotEqual,
    In,
    NotIn,
    IsEmpty,
    IsNotEmpty,
    Matches,
    NotMatches,
}

/// <summary>The names of operators in errors.</summary>
internal static class FilterOperatorText
{
    public static string ToText(this FilterOperator value) => value switch
    {
        FilterOperator.Equal => "Equal",
        FilterOperator.NotEqual => "Not Equal",
        FilterOperator.In => "In",
        FilterOperator.NotIn => "Not In",
        FilterOperator.IsEmpty => "Is Empty",
        FilterOperator.IsNotEmpty => "Is Not Empty",
        FilterOperator.Matches => "Matches",
        _ => "Not Matches",
    };
}

/// <summary>A filter that cannot be used, with the reason in Consul's words.</summary>
internal sealed class FilterException(string message) : Exception(message);
