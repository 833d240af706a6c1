using System.Text.Json;
using MeshClient.Server.Api;
using MeshClient.Server.Filters;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Judges service-resolver entries.</summary>
internal static class ResolverValidation
{
    private const int MaxSubsetLength = 63;

    public static string? FindProblem(JsonElement resolver) =>
        FindSubsetProblem(resolver)
        ?? FindRedirectProblem(resolver)
        ?? FindFailoverProblem(resolver)
        ?? FindTimeoutProblem(resolver, "ConnectTimeout")
        ?? FindTimeoutProblem(resolver, "RequestTimeout")
        ?? LoadBalancerValidation.FindProblem(resolver.Part("LoadBalancer"))
        ?? (resolver.Part("PrioritizeByLocality").Text("Mode") is not ("" or "none" or "failover") and var mode
            ? $"PrioritizeByLocality.Mode must be one of \"\", \"none\", or \"failover\", not \"{mode}\""
            : null);

    private static bool HasSubset(JsonElement resolver, string name) => resolver.Part("Subsets").Part(name).Exists();

    private static string? FindSubsetProblem(JsonElement resolver)
    {
        foreach (var subset in resolver.Pairs("Subsets"))
        {
            if (subset.Name.Length == 0)
            {
                return "Subset defined with empty name";
            }

            if (!IsSubsetName(subset.Name))
            {
                return $"Subset \"{subset.Name}\" is invalid: must be {MaxSubsetLength} characters or fewer, begin or end with lower case alphanumeric characters, and contain lower case alphanumeric characters or '-' in between";
            }

            if (subset.Value.Text("Filter") is { Length: > 0 } filter && FindFilterProblem(filter) is { } problem)
            {
                return $"Filter for subset \"{subset.Name}\" is not a valid expression: {problem}";
            }
        }

        var wanted = resolver.Text("DefaultSubset");
        return wanted.Length > 0 && !HasSubset(resolver, wanted) ? $"DefaultSubset \"{wanted}\" is not a valid subset" : null;
    }

    // Consul 1.8 takes any filter, and then finds no instances; newer versions refuse it here too.
    private static string? FindFilterProblem(string filter)
    {
        try
        {
            FilterFields.Health.Compile(filter);
            return null;
        }
        catch (FilterException e)
        {
            return e.Message;
        }
    }

    private static bool IsSubsetName(string name) =>
        name.Length <= MaxSubsetLength && name[0] != '-' && name[^1] != '-'
        && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private static string? FindRedirectProblem(JsonElement resolver)
    {
        var redirect = resolver.Part("Redirect");
        if (!redirect.Exists())
        {
            return null;
        }

        if (resolver.Pairs("Failover").Any())
        {
            return "Redirect and Failover cannot both be set";
        }

        if (!redirect.EnumerateObject().Any())
        {
            return "Redirect is empty";
        }

        if (redirect.Text("Service").Length == 0)
        {
            foreach (var part in new[] { "ServiceSubset", "Namespace", "Partition" })
            {
                if (redirect.Text(part).Length > 0)
                {
                    return $"Redirect.{part} defined without Redirect.Service";
                }
            }
        }

        return ConfigValidation.FindForeign(redirect, "Redirect");
    }

    private static string? FindFailoverProblem(JsonElement resolver)
    {
        foreach (var failover in resolver.Pairs("Failover"))
        {
            var name = $"Bad Failover[\"{failover.Name}\"]";
            if (failover.Name != ResolverEntry.AnySubset && !HasSubset(resolver, failover.Name))
            {
                return $"{name}: not a valid subset";
            }

            var problem = failover.Value.Items("Targets").Any()
                ? FindTargetsProblem(resolver, failover.Value, name)
                : FindPlaceProblem(resolver, failover.Value, name);
            if (problem is not null)
            {
                return problem;
            }

            if (failover.Value.Part("Policy").Text("Mode") is not ("" or "sequential" or "order-by-locality") and var mode)
            {
                return $"{name}: policy mode must be \"\", \"sequential\", or \"order-by-locality\", not \"{mode}\"";
            }
        }

        return null;
    }

    private static string? FindPlaceProblem(JsonElement resolver, JsonElement failover, string name)
    {
        var (service, subset) = (failover.Text("Service"), failover.Text("ServiceSubset"));
        if (service.Length == 0 && subset.Length == 0 && failover.Text("Namespace").Length == 0
            && failover.Text("SamenessGroup").Length == 0 && !failover.Items("Datacenters").Any())
        {
            return $"{name} one of Service, ServiceSubset, Namespace, or Datacenters is required";
        }

        if (FindOwnSubsetProblem(resolver, service, subset, name) is { } problem)
        {
            return problem;
        }

        return failover.Texts("Datacenters").Any(datacenter => datacenter.Length == 0)
            ? $"{name}.Datacenters: found empty datacenter"
            : ConfigValidation.FindForeign(failover, name);
    }

    private static string? FindTargetsProblem(JsonElement resolver, JsonElement failover, string name)
    {
        if (failover.Text("Service").Length > 0 || failover.Text("ServiceSubset").Length > 0 || failover.Text("Namespace").Length > 0
            || failover.Items("Datacenters").Any())
        {
            return $"{name}: Targets cannot be set with Service, ServiceSubset, Namespace, or Datacenters";
        }

        var i = 0;
        foreach (var target in failover.Items("Targets"))
        {
            if (FindOwnSubsetProblem(resolver, target.Text("Service"), target.Text("ServiceSubset"), $"{name}.Targets[{i}]") is { } problem)
            {
                return problem;
            }

            if (ConfigValidation.FindForeign(target, $"{name}.Targets[{i}]") is { } foreign)
            {
                return foreign;
            }

            i++;
        }

        return null;
    }

    private static string? FindOwnSubsetProblem(JsonElement resolver, string service, string subset, string name) =>
        subset.Length > 0 && (service.Length == 0 || service == resolver.Text("Name")) && !HasSubset(resolver, subset)
            ? $"{name}.ServiceSubset \"{subset}\" is not a valid subset of \"{service}\""
            : null;

    private static string? FindTimeoutProblem(JsonElement resolver, string name) =>
        resolver.Duration(name).Nanoseconds < 0 ? $"Bad {name} '{resolver.Text(name)}', must be >= 0" : null;
}
