using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Constraints;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.AspNetCore.Routing.Patterns;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>Writes routes as callers compare paths (<see cref="MeshClient.Resilience.EndpointPattern"/>): never wider than the route.</summary>
internal sealed class RouteSpelling(ParameterPolicyFactory policies)
{
    // RFC 3986, section 3.3: what may stand in a segment as it is. A star would be taken for a pattern.
    private const string Unescaped = "-._~!$&'()+,;=:@";

    /// <summary>The paths of a route.</summary>
    /// <param name="route">The route.</param>
    /// <param name="problem">Why the result is empty.</param>
    public IReadOnlyList<string> Spell(RoutePattern route, out string problem)
    {
        problem = string.Empty;
        var paths = new List<string>();
        var path = new StringBuilder();
        for (var i = 0; i < route.PathSegments.Count; i++)
        {
            if (MayEndBefore(route, i) && route.PathSegments.Skip(i).All(one => IsSurelyMet(route, (RoutePatternParameterPart)one.Parts[0])))
            {
                paths.Add(path.Length == 0 ? "/" : path.ToString());
            }

            if (SpellSegment(route, route.PathSegments[i], out problem) is not { } segment)
            {
                return [];
            }

            path.Append('/').Append(segment);
        }

        paths.Add(path.Length == 0 ? "/" : path.ToString());
        return paths;
    }

    /// <summary>The text that a segment has to be; null: it may be several.</summary>
    public string? LiteralOf(RoutePattern route, RoutePatternPathSegment segment) => segment switch
    {
        { IsSimple: true, Parts: [RoutePatternLiteralPart literal] } => literal.Content,
        // A parameter of a conventional route that stands for this action only, such as {controller}.
        { IsSimple: true, Parts: [RoutePatternParameterPart parameter] }
            when route.RequiredValues.TryGetValue(parameter.Name, out var required)
                && Convert.ToString(required, CultureInfo.InvariantCulture) is { Length: > 0 } text => Transformed(route, parameter, text),
        _ => null,
    };

    /// <summary>Whether a path may be at its end before a segment of a route, and all that follow.</summary>
    public static bool MayEndBefore(RoutePattern route, int segment) =>
        route.PathSegments.Skip(segment).All(one => one is { IsSimple: true, Parts: [RoutePatternParameterPart parameter] }
            && (parameter.IsOptional || parameter.IsCatchAll || route.Defaults.ContainsKey(parameter.Name)));

    /// <summary>Whether a text could be the value of a parameter, as far as its constraints go by the text alone.</summary>
    public bool MayBe(RoutePattern route, RoutePatternParameterPart parameter, string text) =>
        ConstraintsOf(route, parameter).All(constraint =>
            constraint is not IParameterLiteralNodeMatchingPolicy literal || literal.MatchesLiteral(parameter.Name, text));

    // Whether a parameter that the path leaves out is as its constraints want it: a default is compared with them.
    private bool IsSurelyMet(RoutePattern route, RoutePatternParameterPart parameter) =>
        parameter.IsOptional || !ConstraintsOf(route, parameter).Any();

    // As routing does it: of several only the first has a say.
    private string Transformed(RoutePattern route, RoutePatternParameterPart parameter, string text) =>
        PoliciesOf(route, parameter).OfType<IOutboundParameterTransformer>().FirstOrDefault() is { } transformer
            ? transformer.TransformOutbound(text) ?? text
            : text;

    private string? SpellSegment(RoutePattern route, RoutePatternPathSegment segment, out string problem)
    {
        problem = string.Empty;
        if (LiteralOf(route, segment) is { } literal)
        {
            if (literal.Contains('*', StringComparison.Ordinal))
            {
                problem = $"'{literal}' in its route cannot be told apart from a pattern";
                return null;
            }

            return Escape(literal);
        }

        if (segment is not { IsSimple: true, Parts: [RoutePatternParameterPart parameter] })
        {
            problem = "its route has a parameter beside a text, without a slash between";
            return null;
        }

        var constraints = ConstraintsOf(route, parameter).ToList();
        var kinds = constraints.Select(KindOf).Distinct(StringComparer.Ordinal).ToList();
        if (kinds.Count > 1 || (kinds.Count == 1 && (kinds[0] is null || parameter.IsCatchAll)))
        {
            problem = $"the constraint of '{parameter.Name}' cannot be told to callers; int, long, guid, alpha and bool can";
            return null;
        }

        var name = parameter.Name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? parameter.Name : string.Empty;
        return parameter.IsCatchAll ? "**" : kinds.Count == 0 ? $"{{{name}}}" : $"{{{name}:{kinds[0]}}}";
    }

    private IEnumerable<IRouteConstraint> ConstraintsOf(RoutePattern route, RoutePatternParameterPart parameter) =>
        PoliciesOf(route, parameter)
            .Select(policy => policy is OptionalRouteConstraint optional ? optional.InnerConstraint : policy)
            .OfType<IRouteConstraint>()
            // Every parameter of a pattern is, but the rest of a path may be nothing.
            .Where(constraint => constraint is not RequiredRouteConstraint || parameter.IsCatchAll);

    private IEnumerable<IParameterPolicy> PoliciesOf(RoutePattern route, RoutePatternParameterPart parameter) =>
        route.ParameterPolicies.TryGetValue(parameter.Name, out var references)
            ? references.Select(reference => policies.Create(parameter, reference))
            : [];

    private static string? KindOf(IRouteConstraint constraint) => constraint switch
    {
        IntRouteConstraint => "int",
        LongRouteConstraint => "long",
        GuidRouteConstraint => "guid",
        AlphaRouteConstraint => "alpha",
        BoolRouteConstraint => "bool",
        _ => null,
    };

    private static string Escape(string literal)
    {
        var escaped = new StringBuilder();
        foreach (var rune in literal.EnumerateRunes())
        {
            var text = rune.ToString();
            escaped.Append(rune.IsAscii && (char.IsAsciiLetterOrDigit(text[0]) || Unescaped.Contains(text[0], StringComparison.Ordinal))
                ? text
                : Uri.EscapeDataString(text));
        }

        return escaped.ToString();
    }
}
