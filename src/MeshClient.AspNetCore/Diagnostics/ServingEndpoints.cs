using MeshClient.AspNetCore.Endpoints;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Constraints;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.AspNetCore.Routing.Template;

namespace MeshClient.AspNetCore.Diagnostics;

/// <summary>Finds out which endpoints could serve a request that is not made.</summary>
/// <remarks>
/// Routing takes the best of the routes that fit. Constraints that go by the text of a value alone, as nearly all of the framework's
/// do, are asked. Whether others hold, or the host is the right one, is not known without a request: then the next may serve too.
/// </remarks>
internal sealed class ServingEndpoints(EndpointRules endpoints, ParameterPolicyFactory policies)
{
    private enum Fit
    {
        No,
        Perhaps,
        Yes,
    }

    /// <summary>The endpoints, the best first, up to those that would serve it for sure.</summary>
    public IEnumerable<RouteEndpoint> Find(string method, string path)
    {
        var byRank = endpoints.Endpoints().OfType<RouteEndpoint>()
            .Select(endpoint => (Endpoint: endpoint, Fit: FitOf(endpoint, method, path)))
            .Where(one => one.Fit != Fit.No)
            .GroupBy(one => (one.Endpoint.Order, one.Endpoint.RoutePattern.InboundPrecedence))
            .OrderBy(rank => rank.Key);
        foreach (var rank in byRank)
        {
            foreach (var (endpoint, _) in rank)
            {
                yield return endpoint;
            }

            if (rank.Any(one => one.Fit == Fit.Yes))
            {
                yield break;
            }
        }
    }

    private Fit FitOf(RouteEndpoint endpoint, string method, string path)
    {
        if (endpoint.Metadata.GetMetadata<IHttpMethodMetadata>() is { HttpMethods: { Count: > 0 } methods }
            && !methods.Contains(method, StringComparer.OrdinalIgnoreCase))
        {
            return Fit.No;
        }

        var route = endpoint.RoutePattern;
        var values = new RouteValueDictionary();
        if (!new TemplateMatcher(new RouteTemplate(route), new RouteValueDictionary(route.Defaults)).TryMatch(path, values))
        {
            return Fit.No;
        }

        return route.ParameterPolicies
            .SelectMany(pair => pair.Value.Select(policy => FitOf(route.GetParameter(pair.Key), pair.Key, policy, values)))
            .Append(endpoint.Metadata.GetMetadata<IHostMetadata>() is { Hosts.Count: > 0 } ? Fit.Perhaps : Fit.Yes)
            .Min();
    }

    private Fit FitOf(
        RoutePatternParameterPart? parameter, string name, RoutePatternParameterPolicyReference reference, RouteValueDictionary values)
    {
        var policy = policies.Create(parameter, reference);
        var constraint = policy is OptionalRouteConstraint optional ? optional.InnerConstraint : policy;
        return (constraint, Convert.ToString(values[name], System.Globalization.CultureInfo.InvariantCulture)) switch
        {
            // What makes links of values has no say in this.
            (not IRouteConstraint, _) => Fit.Yes,
            (_, null or "") when policy is OptionalRouteConstraint => Fit.Yes,
            (IParameterLiteralNodeMatchingPolicy literal, { } value) => literal.MatchesLiteral(name, value) ? Fit.Yes : Fit.No,
            _ => Fit.Perhaps,
        };
    }
}
