using MeshClient.Resilience;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// The endpoints of the app that are marked as idempotent, as callers are told of them: by method and path.
/// </summary>
/// <remarks>
/// No caller may take a request for one to such an endpoint that another would get. So one is told of only when its route can be
/// written down exactly or narrower, and when no endpoint without the mark could get a request with such a method and path:
/// because its route is the better match, because both are equal and something else decides, or because something that callers do
/// not know keeps the marked one from being chosen, such as the type of the content.
/// </remarks>
internal sealed class IdempotentRoutes(EndpointRules endpoints, RouteSpelling spelling, IServiceProvider services)
{
    // Of methods that are idempotent by themselves callers need not be told.
    private static readonly string[] Idempotent =
        [HttpMethods.Get, HttpMethods.Head, HttpMethods.Options, HttpMethods.Trace, HttpMethods.Put, HttpMethods.Delete];

    private MatcherPolicy[]? _policies;

    /// <summary>Told when there may be other endpoints.</summary>
    public IChangeToken GetChangeToken() => services.GetRequiredService<EndpointDataSource>().GetChangeToken();

    /// <summary>Finds them.</summary>
    /// <param name="problems">The endpoints that have the mark and are left out, each with the reason.</param>
    /// <returns>Patterns, the same for the same endpoints.</returns>
    public IReadOnlyList<string> Find(out IReadOnlyList<string> problems)
    {
        var all = endpoints.Endpoints().OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<ISuppressMatchingMetadata>()?.SuppressMatching != true)
            .ToList();
        var unmarked = all.Where(endpoint => !IsMarked(endpoint) && !IsPlaceholderOfGrpc(endpoint)).ToList();
        var patterns = new SortedSet<string>(StringComparer.Ordinal);
        var leftOut = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var endpoint in all.Where(IsMarked))
        {
            var methods = MethodsOf(endpoint);
            if (methods is [])
            {
                continue;
            }

            var name = EndpointRules.NameOf(endpoint);
            if (endpoint.Metadata.GetMetadata<IHostMetadata>() is { Hosts.Count: > 0 })
            {
                leftOut.Add($"'{name}': it is for certain hosts only");
                continue;
            }

            var paths = spelling.Spell(endpoint.RoutePattern, out var problem);
            if (paths.Count == 0)
            {
                leftOut.Add($"'{name}': {problem}");
                continue;
            }

            foreach (var path in paths)
            {
                string[] texts = methods is null ? [path] : [.. methods.Select(method => $"{method.ToUpperInvariant()} {path}")];
                if (!EndpointPattern.TryParseSimple(path, out var pattern) || !texts.All(text => EndpointPattern.TryParseSimple(text, out _)))
                {
                    leftOut.Add($"'{name}': its route or its method cannot be written as a pattern");
                }
                else if (unmarked.Find(other => IsRival(endpoint, methods, pattern, other)) is { } rival)
                {
                    leftOut.Add($"'{name}': '{EndpointRules.NameOf(rival)}', which is not marked, could get a request that looks the same. Mark it too, or make one of the routes narrower");
                }
                else
                {
                    patterns.UnionWith(texts);
                }
            }
        }

        problems = [.. leftOut];
        return [.. patterns];
    }

    private static bool IsMarked(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetMetadata<MeshIdempotentAttribute>()?.IsIdempotent ?? GrpcIdempotency.IsDeclared(endpoint);

    // What gRPC answers with UNIMPLEMENTED executes nothing.
    private static bool IsPlaceholderOfGrpc(RouteEndpoint endpoint) =>
        endpoint.RoutePattern.ParameterPolicies.Values.Any(references => references.Any(reference => reference.Content == "grpcunimplemented"));

    // Null: any. Of a gRPC method it is known, as every caller knows it.
    private static string[]? MethodsOf(RouteEndpoint endpoint) =>
        GrpcIdempotency.IsMethod(endpoint) || endpoint.Metadata.GetMetadata<IHttpMethodMetadata>() is not { HttpMethods.Count: > 0 } metadata
            ? null
            : [.. metadata.HttpMethods.Except(Idempotent, StringComparer.OrdinalIgnoreCase)];

    private bool IsRival(RouteEndpoint marked, string[]? methods, EndpointPattern pattern, RouteEndpoint other)
    {
        var others = MethodsOf(other);
        return others is not []
            && (methods is null || others is null || methods.Intersect(others, StringComparer.OrdinalIgnoreCase).Any())
            && Meets(pattern.Segments, 0, other.RoutePattern, 0)
            && !IsSurelyBehind(marked, other);
    }

    private bool IsSurelyBehind(RouteEndpoint marked, RouteEndpoint other) =>
        (marked.Order, marked.RoutePattern.InboundPrecedence).CompareTo((other.Order, other.RoutePattern.InboundPrecedence)) < 0
        && !Policies().Any(policy => AppliesTo(policy, IsOfTheFramework(policy) ? [marked] : [marked, other]));

    // Method and path are what callers go by, and ours choose among no endpoints.
    private MatcherPolicy[] Policies() => _policies ??=
    [
        .. services.GetServices<MatcherPolicy>()
            .Where(policy => policy is not (HttpMethodMatcherPolicy or EnforcedEndpointMatcherPolicy or ExemptEndpointMatcherPolicy)),
    ];

    // Its own keep an endpoint from being chosen by what that says of itself; others may do so for what its neighbours say.
    private static bool IsOfTheFramework(MatcherPolicy policy) =>
        policy.GetType().Assembly.GetName().Name?.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal) == true;

    private static bool AppliesTo(MatcherPolicy policy, Endpoint[] candidates) =>
        (policy as INodeBuilderPolicy)?.AppliesToEndpoints(candidates) == true
        || (policy as IEndpointSelectorPolicy)?.AppliesToEndpoints(candidates) == true;

    // Whether some path is both. Routing compares without case, so does this.
    private bool Meets(IReadOnlyList<EndpointSegment> pattern, int at, RoutePattern route, int segment)
    {
        if (at == pattern.Count || (at == 0 && pattern is [{ Kind: SegmentKind.Literal, Text: "" }]))
        {
            return RouteSpelling.MayEndBefore(route, segment);
        }

        if (pattern[at].Kind == SegmentKind.Rest)
        {
            return true;
        }

        if (segment == route.PathSegments.Count)
        {
            return false;
        }

        var mine = pattern[at];
        var theirs = route.PathSegments[segment];
        var parameter = theirs.Parts is [RoutePatternParameterPart one] ? one : null;
        if (spelling.LiteralOf(route, theirs) is { } literal)
        {
            return (mine.Kind == SegmentKind.Literal
                    ? string.Equals(Uri.UnescapeDataString(mine.Text), literal, StringComparison.OrdinalIgnoreCase)
                    : mine.Matches(literal))
                && Meets(pattern, at + 1, route, segment + 1);
        }

        return parameter is { IsCatchAll: true }
            || ((mine.Kind != SegmentKind.Literal || parameter is null || spelling.MayBe(route, parameter, Uri.UnescapeDataString(mine.Text)))
                && Meets(pattern, at + 1, route, segment + 1));
    }
}
