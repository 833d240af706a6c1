using System.Text.Json;

namespace Quickstart.Services;

/// <summary>What a service tells the story-teller: one JSON object per line on its standard output.</summary>
internal sealed record Report
{
    /// <summary>Set for a line of the log.</summary>
    public string? Log { get; init; }

    /// <summary>The log's level.</summary>
    public LogLevel Level { get; init; }

    /// <summary>The log's event id.</summary>
    public int EventId { get; init; }

    /// <summary>Set for what was measured since the last such report.</summary>
    public LoadFigures? Load { get; init; }

    public static void Write(Report report)
    {
        var line = JsonSerializer.Serialize(report);
        lock (Console.Out)
        {
            Console.Out.WriteLine(line);
        }
    }

    public static Report? TryParse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<Report>(line);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>What the calls of one interval came to.</summary>
internal sealed record LoadFigures
{
    public int Succeeded { get; init; }

    public int Denied { get; init; }

    public int Failed { get; init; }

    /// <summary>The latencies of the calls that succeeded, in milliseconds, sorted.</summary>
    public double[] Latencies { get; init; } = [];

    /// <summary>How many calls each instance answered, by <c>service/process</c>.</summary>
    public Dictionary<string, int> Shares { get; init; } = [];

    /// <summary>Who proved to be what on the way, such as <c>orders was called by spiffe://…/svc/web</c>.</summary>
    public string[] Peers { get; init; } = [];

    /// <summary>What the first failure said; null when there was none.</summary>
    public string? Problem { get; init; }
}
