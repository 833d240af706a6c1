namespace MeshClient.Server.Api;

/// <summary>What the parameters shared by all reads mean.</summary>
internal static class ReadRules
{
    /// <summary>Refuses what is asked of another datacenter.</summary>
    public static void CheckDatacenter(ApiRequest request, string datacenter)
    {
        if (request.Query("dc") is { Length: > 0 } asked && !string.Equals(asked, datacenter, StringComparison.OrdinalIgnoreCase))
        {
            throw new RequestRefusedException(500, "No path to datacenter");
        }
    }

    /// <summary>Refuses filters, which this version cannot apply: an unfiltered answer would be a wrong one.</summary>
    public static void RefuseFilter(ApiRequest request)
    {
        if (request.Query("filter") is { Length: > 0 })
        {
            throw RequestRefusedException.Invalid("This version of the server does not support the filter parameter.");
        }
    }

    /// <summary>Checks the consistency asked for and names it in the answer; here all three are the same.</summary>
    public static void SetConsistency(ApiRequest request)
    {
        var (stale, consistent) = CheckConsistency(request);
        if (request.Has("cached"))
        {
            if (consistent)
            {
                throw RequestRefusedException.Invalid("Cannot specify ?cached with ?consistent, conflicting semantics.");
            }

            SetCacheHit(request);
        }

        request.SetHeader("X-Consul-Effective-Consistency", stale ? "stale" : consistent ? "consistent" : "leader");
    }

    /// <summary>Checks the consistency asked for.</summary>
    public static (bool Stale, bool Consistent) CheckConsistency(ApiRequest request)
    {
        if (request.Query("max_stale") is { Length: > 0 } maxStale && !GoDuration.TryParse(maxStale, out _, out _))
        {
            throw RequestRefusedException.Invalid($"Invalid max_stale value \"{maxStale}\"");
        }

        var stale = request.Has("stale") || request.Has("max_stale");
        var consistent = request.Has("consistent");
        if (stale && consistent)
        {
            throw RequestRefusedException.Invalid("Cannot specify ?stale with ?consistent, conflicting semantics.");
        }

        return (stale, consistent);
    }

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
    public static string CutOutput(string output)
    {
        const int maxLength = 4096;
        if (output.Length <= maxLength)
        {
            return output;
        }

        // Never between the halves of a pair.
        return output[..(char.IsHighSurrogate(output[maxLength - 1]) ? maxLength - 1 : maxLength)];
    }
}
