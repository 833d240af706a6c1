using System.Globalization;
using System.Net;
using MeshClient.Configuration;
using MeshClient.Simulation.Engine;

namespace MeshClient.Simulation.Experiments;

/// <summary>
/// Three tiers, of which the last fails 60 % of its calls for a while. Each tier repeats what fails below it, so without a
/// budget one call of a user may become 27 of the last tier, which then fails for the load alone, long after its fault is
/// gone.
/// </summary>
internal static class RetryStorm
{
    public const double Rate = 300;
    public static readonly TimeSpan FaultFrom = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan FaultTo = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(90);

    /// <summary>When it is asked whether all is well again: an instance that was ejected in the storm's last moment is back by then.</summary>
    public static readonly TimeSpan RecoveredBy = TimeSpan.FromSeconds(70);

    private const int TierSize = 3;
    private const double FaultShare = 0.6;

    /// <summary>Runs it with a retry budget for each process, or without.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="budgetRatio">Retries per call; null: as many as wanted.</param>
    public static async Task<StormOutcome> RunAsync(ulong seed, double? budgetRatio)
    {
        using var clock = new VirtualClock();
        var clients = new List<SimulatedClient>();
        Func<CancellationToken, Task<HttpStatusCode>>? next = null;
        var attempts = new int[3];
        var wanted = new int[3];
        var before = new (int Wanted, int Attempts)[3];
        var during = new (int Wanted, int Attempts)[3];
        for (var tier = 2; tier >= 0; tier--)
        {
            var below = next;
            var number = tier;
            var behaviour = new InstanceBehaviour
            {
                Workers = tier == 2 ? 3 : 1000,
                // A queue as servers have by default: long enough to keep calls whose callers will have gone.
                QueueLength = 2000,
                Median = TimeSpan.FromMilliseconds(20),
                TailFactor = 2,
                FailureShare = now => number == 2 && now >= FaultFrom && now < FaultTo ? FaultShare : 0,
                Next = below is null ? null : stop =>
                {
                    wanted[number + 1]++;
                    return below(stop);
                },
            };
            var instances = Enumerable.Range(0, TierSize)
                .Select(i => new SimulatedInstance(clock, new Chance(seed + (ulong)((100 * number) + i)), behaviour)).ToList();
            var client = await SimulatedClient.CreateAsync(clock, seed + (ulong)(1000 * (tier + 1)), instances, options => Configure(options, budgetRatio));
            clients.Add(client);
            next = client.CallAsync;
            clock.At(FaultFrom, () => before[number] = (wanted[number], instances.Sum(instance => instance.Arrived)));
            clock.At(FaultTo, () => during[number] = (
                wanted[number] - before[number].Wanted, instances.Sum(instance => instance.Arrived) - before[number].Attempts));
            clock.At(Length + TimeSpan.FromSeconds(20), () => attempts[number] = instances.Sum(instance => instance.Arrived));
        }

        var first = next!;
        var recording = await OpenLoad.RunAsync(clock, new Chance(seed), _ => Rate, Length, stop =>
        {
            wanted[0]++;
            return first(stop);
        });
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }

        return new StormOutcome(recording, wanted, attempts, before, during);
    }

    public static async Task PrintAsync(ulong seed, TextWriter output)
    {
        await output.WriteLineAsync("### A retry storm: the last of three tiers fails 60 % of its calls for 20 s\n");
        await output.WriteLineAsync(
            "300 calls a second through three tiers of three instances; the last can bear some 450. Each tier repeats what fails, at most twice. The fault lasts from second 10 to 30 of 90.\n");
        await output.WriteLineAsync("| budget | success before | while it lasts | second 30 to 40 | second 40 to 70 | second 70 to 90 | attempts per call at tier 1 | tier 2 | tier 3 | attempts at tier 3 per call of a user | while it lasts |");
        await output.WriteLineAsync("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var (name, ratio) in ((string, double?)[])[("none", null), ("20 % + 10 a second", MeshDefaults.RetryBudgetRatio)])
        {
            var outcome = await RunAsync(seed, ratio);
            var calls = outcome.Calls;
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {Percent(calls.Success(TimeSpan.Zero, FaultFrom))} | {Percent(calls.Success(FaultFrom, FaultTo))} | {Percent(calls.Success(FaultTo, FaultTo + TimeSpan.FromSeconds(10)))} | {Percent(calls.Success(FaultTo + TimeSpan.FromSeconds(10), RecoveredBy))} | {Percent(calls.Success(RecoveredBy, Length))} | {outcome.AttemptsPerCall(0):F2} | {outcome.AttemptsPerCall(1):F2} | {outcome.AttemptsPerCall(2):F2} | {(double)outcome.Attempts[2] / calls.Count:F2} | {(double)outcome.During[2].Attempts / outcome.During[0].Wanted:F2} |"));
        }

        await output.WriteLineAsync();
    }

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{share * 100:F1} %");

    private static void Configure(MeshDestinationOptions options, double? budgetRatio)
    {
        options.CallTimeout = TimeSpan.FromSeconds(3);
        options.AttemptTimeout = TimeSpan.FromSeconds(1);
        options.MaxConcurrency = 1_000_000;
        options.MaxRetries = 2;
        options.RetryBudgetRatio = budgetRatio ?? 10;
        options.RetryBudgetPerSecond = budgetRatio is null ? 10_000 : MeshDefaults.RetryBudgetPerSecond;
    }
}

/// <summary>What a storm came to.</summary>
/// <param name="Calls">The calls of the users.</param>
/// <param name="Wanted">Calls made to each tier.</param>
/// <param name="Attempts">Attempts that arrived at each tier.</param>
/// <param name="Before">Both, up to the fault.</param>
/// <param name="During">Both, while it lasted.</param>
internal sealed record StormOutcome(
    Recording Calls,
    IReadOnlyList<int> Wanted,
    IReadOnlyList<int> Attempts,
    IReadOnlyList<(int Wanted, int Attempts)> Before,
    IReadOnlyList<(int Wanted, int Attempts)> During)
{
    public double AttemptsPerCall(int tier) => (double)Attempts[tier] / Wanted[tier];
}
