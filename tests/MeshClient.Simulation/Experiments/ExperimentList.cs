using MeshClient.Balancing;
using MeshClient.Simulation.Engine;

namespace MeshClient.Simulation.Experiments;

/// <summary>The experiments, and the fleets they are made on.</summary>
internal static class ExperimentList
{
    private static readonly Strategy[] Balancers = [Strategy.RoundRobin, Strategy.LeastRequest, Strategy.PeakEwma];

    /// <summary>
    /// The experiment of Linkerd's authors ("Beyond Round Robin: Load Balancing for Latency", 2016), who saw 95 % for round robin,
    /// 99 % for the least loaded and 99.9 % for Peak-EWMA.
    /// </summary>
    public static readonly Experiment Pause = new()
    {
        Name = "pause",
        Title = "One of eleven instances stands still for 2 s",
        Story = "1 000 calls a second, 1 s timeout, one attempt each unless said; one instance pauses from second 5 to 7 of 10, as in a garbage collection.",
        Trouble = (Seconds(5), Seconds(7)),
        Setting = seed => new Setting
        {
            Seed = seed,
            Length = Seconds(10),
            Fleet = Fleet(11, Healthy with { Pauses = [(Seconds(5), Seconds(2))] }),
        },
        Strategies =
        [
            .. Balancers,
            Strategy.PeakEwmaWithEjection,
            Strategy.PeakEwmaWithHedging,
            Strategy.Default,
        ],
    };

    public static readonly Experiment Slow = new()
    {
        Name = "slow",
        Title = "One of eleven instances is ten times slower",
        Story = "From second 5 on one instance takes ten times as long for each call, as on a machine it has to share.",
        Trouble = (Seconds(5), Seconds(30)),
        Setting = seed => new Setting
        {
            Seed = seed,
            Fleet = Fleet(11, Healthy with { Slowness = now => now >= Seconds(5) ? 10 : 1 }),
        },
        Strategies = [.. Balancers, Strategy.PeakEwmaWithHedging],
    };

    public static readonly Experiment Cold = new()
    {
        Name = "cold",
        Title = "An eleventh instance comes, and is cold",
        Story = "At second 5 an instance joins ten others: its calls take twenty times as long at first, and a tenth of that less with every second, until its caches are warm.",
        Trouble = (Seconds(5), Seconds(15)),
        Setting = seed => new Setting
        {
            Seed = seed,
            Fleet = Fleet(11, Healthy with { ListedFrom = Seconds(5), Slowness = now => Math.Max(1, 20 - (2 * (now - Seconds(5)).TotalSeconds)) }),
        },
        Strategies = [.. Balancers, Strategy.RoundRobinWithSlowStart, Strategy.PeakEwmaWithSlowStart],
    };

    public static readonly Experiment FailingFast = new()
    {
        Name = "failing-fast",
        Title = "One of eleven instances refuses every call at once",
        Story = "From second 5 on one instance answers 503 after 1 ms. To a balancer that looks at latency alone it would be the best of all.",
        Trouble = (Seconds(5), Seconds(30)),
        Setting = seed => new Setting { Seed = seed, Fleet = Fleet(11, Healthy with { Refuses = now => now >= Seconds(5) }) },
        Strategies = [.. Balancers, Strategy.PeakEwmaWithEjection, Strategy.Default],
    };

    public static readonly Experiment Flapping = new()
    {
        Name = "flapping",
        Title = "One of eleven instances flaps",
        Story = "One instance refuses every call for 2 s, serves for 2 s, and so on.",
        Trouble = (Seconds(0), Seconds(60)),
        Setting = seed => new Setting
        {
            Seed = seed,
            Length = Seconds(60),
            Fleet = Fleet(11, Healthy with { Refuses = now => (long)now.TotalSeconds % 4 < 2 }),
        },
        Strategies = [.. Balancers, Strategy.PeakEwmaWithEjection, Strategy.Default],
    };

    public static readonly Experiment Overload = new()
    {
        Name = "overload",
        Title = "Twice the load the fleet can bear",
        Story = "Three instances with 8 workers each, 10 ms a call: some 2 000 calls a second. From second 5 to 15 come 4 000, then 1 000 again; callers wait 1 s, queues are long.",
        Trouble = (Seconds(5), Seconds(15)),
        Troubled = 3,
        Setting = seed => new Setting
        {
            Seed = seed,
            Rate = 1000,
            RateAt = now => now >= Seconds(5) && now < Seconds(15) ? 4000 : 1000,
            Length = Seconds(25),
            Fleet = [.. Enumerable.Repeat(Healthy with { Workers = 8, Median = TimeSpan.FromMilliseconds(10), TailFactor = 2 }, 3)],
        },
        Strategies = [Strategy.PeakEwma, Strategy.PeakEwmaWithAdaptiveLimit],
    };

    public static IReadOnlyList<Experiment> All => [Pause, Slow, Cold, FailingFast, Flapping, Overload];

    private static InstanceBehaviour Healthy => new() { Median = TimeSpan.FromMilliseconds(20) };

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static List<InstanceBehaviour> Fleet(int size, InstanceBehaviour first) => [first, .. Enumerable.Repeat(Healthy, size - 1)];
}
