using MeshClient.Configuration;
using MeshClient.Simulation.Engine;

namespace MeshClient.Simulation.Experiments;

/// <summary>A fleet and the load on it; the same for every strategy that is tried.</summary>
internal sealed record Setting
{
    public required ulong Seed { get; init; }

    /// <summary>Calls a second.</summary>
    public double Rate { get; init; } = 1000;

    /// <summary>Calls a second at a moment; null: always <see cref="Rate"/>.</summary>
    public Func<TimeSpan, double>? RateAt { get; init; }

    public TimeSpan Length { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a caller waits.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(1);

    public required IReadOnlyList<InstanceBehaviour> Fleet { get; init; }

    /// <summary>Runs it with one strategy.</summary>
    public async Task<Outcome> RunAsync(Strategy strategy)
    {
        using var clock = new VirtualClock();
        var instances = Fleet.Select((behaviour, i) => new SimulatedInstance(clock, new Chance(Seed + 100 + (ulong)i), behaviour)).ToList();
        await using var client = await SimulatedClient.CreateAsync(clock, Seed + 1, instances, options =>
        {
            options.CallTimeout = Timeout;
            options.AttemptTimeout = Timeout;
            strategy.Configure(options);
        });
        var recording = await OpenLoad.RunAsync(clock, new Chance(Seed), RateAt ?? (_ => Rate), Length, client.CallAsync);
        return new Outcome(strategy.Name, recording, [.. instances.Select(instance => instance.Arrived)]);
    }
}

/// <summary>What a run came to.</summary>
/// <param name="Strategy">The strategy's name.</param>
/// <param name="Calls">The calls.</param>
/// <param name="Arrived">How many attempts each instance got.</param>
internal sealed record Outcome(string Strategy, Recording Calls, IReadOnlyList<int> Arrived)
{
    public double AttemptsPerCall => (double)Arrived.Sum() / Calls.Count;
}
