using System.Text.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Judges service-router entries.</summary>
internal static class RouterValidation
{
    private static readonly string[] Paths = ["PathExact", "PathPrefix", "PathRegex"];
    private static readonly string[] HeaderComparisons = ["Exact", "Prefix", "Suffix", "Contains", "Regex"];

    // The conditions of Envoy's retry policy that Consul lets through.
    private static readonly HashSet<string> RetryConditions = new(StringComparer.Ordinal)
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
        "refused-stream", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    };

    public static string? FindProblem(JsonElement router)
    {
        var i = 0;
        foreach (var route in router.Items("Routes"))
        {
            if (FindMatchProblem(route.Part("Match").Part("HTTP"), i) is { } match)
            {
                return match;
            }

            if (FindDestinationProblem(route, i) is { } destination)
            {
                return destination;
            }

            i++;
        }

        return null;
    }

    private static string? FindMatchProblem(JsonElement http, int i)
    {
        if (Paths.Count(path => http.Text(path).Length > 0) > 1)
        {
            return $"Route[{i}] should only contain at most one of PathExact, PathPrefix, or PathRegex";
        }

        foreach (var path in new[] { "PathExact", "PathPrefix" })
        {
            if (http.Text(path) is { Length: > 0 } text && text[0] != '/')
            {
                return $"Route[{i}] {path} doesn't start with '/': \"{text}\"";
            }
        }

        if (!ConfigValidation.IsExpression(http.Text("PathRegex")))
        {
            return $"Route[{i}] PathRegex is not a linear-time regular expression: \"{http.Text("PathRegex")}\"";
        }

        return FindHeaderProblem(http, i) ?? FindQueryProblem(http, i) ?? FindMethodProblem(http, i);
    }

    private static string? FindHeaderProblem(JsonElement http, int i)
    {
        var j = 0;
        foreach (var header in http.Items("Header"))
        {
            if (header.Text("Name").Length == 0)
            {
                return $"Route[{i}] Header[{j}] missing required Name field";
            }

            if (HeaderComparisons.Count(part => header.Text(part).Length > 0) + (header.Flag("Present") ? 1 : 0) != 1)
            {
                return $"Route[{i}] Header[{j}] should only contain one of Present, Exact, Prefix, Suffix, or Regex";
            }

            if (!ConfigValidation.IsExpression(header.Text("Regex")))
            {
                return $"Route[{i}] Header[{j}] Regex is not a linear-time regular expression: \"{header.Text("Regex")}\"";
            }

            j++;
        }

        return null;
    }

    private static string? FindQueryProblem(JsonElement http, int i)
    {
        var j = 0;
        foreach (var parameter in http.Items("QueryParam"))
        {
            if (parameter.Text("Name").Length == 0)
            {
                return $"Route[{i}] QueryParam[{j}] missing required Name field";
            }

            if ((parameter.Text("Exact").Length > 0 ? 1 : 0) + (parameter.Text("Regex").Length > 0 ? 1 : 0) + (parameter.Flag("Present") ? 1 : 0) != 1)
            {
                return $"Route[{i}] QueryParam[{j}] should only contain one of Present, Exact, or Regex";
            }

            if (!ConfigValidation.IsExpression(parameter.Text("Regex")))
            {
                return $"Route[{i}] QueryParam[{j}] Regex is not a linear-time regular expression: \"{parameter.Text("Regex")}\"";
            }

            j++;
        }

        return null;
    }

    private static string? FindMethodProblem(JsonElement http, int i)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        return http.Texts("Methods").FirstOrDefault(method => !seen.Add(method)) is { } twice
            ? $"Route[{i}] Methods contains \"{twice}\" more than once"
            : null;
    }

    private static string? FindDestinationProblem(JsonElement route, int i)
    {
        var destination = route.Part("Destination");
        var http = route.Part("Match").Part("HTTP");
        if (destination.Text("PrefixRewrite").Length > 0 && http.Text("PathExact").Length == 0 && http.Text("PathPrefix").Length == 0)
        {
            return $"Route[{i}] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix";
        }

        return destination.Texts("RetryOn").FirstOrDefault(condition => !RetryConditions.Contains(condition)) is { } unknown
            ? $"Route[{i}] contains an invalid retry condition: \"{unknown}\""
            : ConfigValidation.FindForeign(destination, $"Route[{i}] Destination");
    }
}
