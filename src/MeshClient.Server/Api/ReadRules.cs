using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.Filters;

namespace MeshClient.Server.Api;

/// <summary>What the parameters shared by all reads mean.</summary>
internal static class ReadRules
{
    /// <summary>Refuses what is asked of another datacenter.</summary>
    public static void CheckDatacenter(ApiRequest request, string datacenter) =>
        CheckDatacenter(request.Query("dc") ?? string.Empty, datacenter);

    /// <summary>Refuses what is asked of another datacenter; the empty text asks for none.</summary>
    public static void CheckDatacenter(string asked, string datacenter)
    {
        if (asked.Length > 0 && !string.Equals(asked, datacenter, StringComparison.OrdinalIgnoreCase))
        {
            throw new RequestRefusedException(500, "No path to datacenter");
        }
    }

    /// <summary>Judges the parameters that reads of the catalog share.</summary>
    public static void CheckRead(ApiRequest request, string datacenter)
    {
        CheckDatacenter(request, datacenter);
        SetConsistency(request);
    }

    /// <summary>Whether a node has all the metadata asked for; a key without a value asks for an empty one.</summary>
    public static bool MatchesNodeMeta(ApiRequest request, NodeRecord node)
    {
        foreach (var pair in request.QueryAll("node-meta"))
        {
            var colon = pair?.IndexOf(':', StringComparison.Ordinal) ?? -1;
            var wanted = colon < 0
                ? new KeyValuePair<string, string>(pair ?? string.Empty, string.Empty)
                : new KeyValuePair<string, string>(pair![..colon], pair[(colon + 1)..]);
            if (!((IEnumerable<KeyValuePair<string, string>>)node.Meta).Contains(wanted))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The filter asked for, ready to be applied; null when there is none.</summary>
    /// <param name="request">The call.</param>
    /// <param name="fields">What can be filtered by.</param>
    /// <param name="prefix">How the sentence begins when the filter is none.</param>
    public static Predicate<T>? FilterOf<T>(
        ApiRequest request, FilterObject<T> fields, string prefix = "Failed to create boolean expression evaluator: ")
    {
        if (request.Query("filter") is not { Length: > 0 } filter)
        {
            return null;
        }

        try
        {
            return fields.Compile(filter);
        }
        catch (FilterException e)
        {
            throw RequestRefusedException.Invalid(prefix + e.Message);
        }
    }

    /// <summary>Checks the consistency asked for and names it in the answer; here all three are the same.</summary>
    public static void SetConsistency(ApiRequest request)
    {
        var (_, consistent) = CheckConsistency(request);
        if (request.Has("cached"))
        {
            if (consistent)
            {
                throw RequestRefusedException.Invalid("Cannot specify ?cached with ?consistent, conflicting semantics.");
            }

            SetCacheHit(request);
        }

        request.SetHeader("X-Consul-Effective-Consistency", ConsistencyOf(request));
    }

    /// <summary>Checks the consistency asked for.</summary>
    public static (bool Stale, bool Consistent) CheckConsistency(ApiRequest request)
    {
        if (request.Query("max_stale") is { Length: > 0 } maxStale && !GoDuration.TryParse(maxStale, out _, out _))
        {
            throw RequestRefusedException.Invalid($"Invalid max_stale value \"{maxStale}\"");
        }

        var stale = IsStale(request);
        var consistent = request.Has("consistent");
        if (stale && consistent)
        {
            throw RequestRefusedException.Invalid("Cannot specify ?stale with ?consistent, conflicting semantics.");
        }

        return (stale, consistent);
    }

    /// <summary>The name of the consistency asked for.</summary>
    public static string ConsistencyOf(ApiRequest request) =>
        IsStale(request) ? "stale" : request.Has("consistent") ? "consistent" : "leader";

    private static bool IsStale(ApiRequest request) => request.Has("stale") || request.Has("max_stale");

    /// <summary>Says that the answer came from here, as an agent says of its cache.</summary>
    public static void SetCacheHit(ApiRequest request)
    {
        request.SetHeader("X-Cache", "HIT");
        request.SetHeader("Age", "0");
    }

    /// <summary>A flag that may have a value, as Go reads booleans; present without one is true.</summary>
    public static bool? ParseFlag(string? text) => text switch
    {
        null => false,
        "" or "1" or "t" or "T" or "TRUE" or "true" or "True" => true,
        "0" or "f" or "F" or "FALSE" or "false" or "False" => false,
        _ => null,
    };

    /// <summary>The output of a check, cut as an agent cuts it.</summary>
    public static string CutOutput(string output, int maxLength)
    {
        if (output.Length <= maxLength)
        {
            return output;
        }

        // Never between the halves of a pair.
        return output[..(char.IsHighSurrogate(output[maxLength - 1]) ? maxLength - 1 : maxLength)];
    }
}
