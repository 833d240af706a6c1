using System.Globalization;
using MeshClient.Simulation.Engine;

namespace MeshClient.Simulation.Experiments;

/// <summary>A question, a fleet to answer it, and the strategies that are compared.</summary>
internal sealed record Experiment
{
    /// <summary>The name on the command line.</summary>
    public required string Name { get; init; }

    public required string Title { get; init; }

    /// <summary>What happens, in a sentence or two.</summary>
    public required string Story { get; init; }

    public required Func<ulong, Setting> Setting { get; init; }

    public required IReadOnlyList<Strategy> Strategies { get; init; }

    /// <summary>When it happens.</summary>
    public required (TimeSpan From, TimeSpan To) Trouble { get; init; }

    /// <summary>Which instances are in trouble: the first so many.</summary>
    public int Troubled { get; init; } = 1;

    /// <summary>Runs every strategy on the same fleet, and prints a table.</summary>
    public async Task RunAsync(ulong seed, TextWriter output)
    {
        await output.WriteLineAsync($"### {Title}\n\n{Story}\n");
        await output.WriteLineAsync("| strategy | success | while it lasts | p50 | p99 | p99.9 | calls to those in trouble | attempts per call |");
        await output.WriteLineAsync("|---|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var strategy in Strategies)
        {
            var outcome = await Setting(seed).RunAsync(strategy);
            await output.WriteLineAsync(Row(outcome));
        }

        await output.WriteLineAsync();
    }

    public async Task<Outcome> RunAsync(ulong seed, Strategy strategy) => await Setting(seed).RunAsync(strategy);

    private string Row(Outcome outcome)
    {
        var calls = outcome.Calls;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {outcome.Strategy} | {calls.Success() * 100:F3} % | {calls.Success(Trouble.From, Trouble.To) * 100:F2} % | {Milliseconds(calls.Percentile(50))} | {Milliseconds(calls.Percentile(99))} | {Milliseconds(calls.Percentile(99.9))} | {100.0 * outcome.Arrived.Take(Troubled).Sum() / outcome.Arrived.Sum():F1} % | {outcome.AttemptsPerCall:F3} |");
    }

    private static string Milliseconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:F0} ms");
}
