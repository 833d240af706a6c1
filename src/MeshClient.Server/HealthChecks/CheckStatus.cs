namespace MeshClient.Server.HealthChecks;

/// <summary>What a check says; ordered from good to bad.</summary>
internal enum CheckStatus
{
    Passing,
    Warning,
    Critical,
}

/// <summary>The texts of statuses.</summary>
internal static class CheckStatusText
{
    public static string ToText(this CheckStatus status) => status switch
    {
        CheckStatus.Passing => "passing",
        CheckStatus.Warning => "warning",
        _ => "critical",
    };

    public static bool TryParse(string text, out CheckStatus status)
    {
        (var known, status) = text switch
        {
            "passing" => (true, CheckStatus.Passing),
            "warning" => (true, CheckStatus.Warning),
            "critical" => (true, CheckStatus.Critical),
            _ => (false, CheckStatus.Critical),
        };
        return known;
    }
}
