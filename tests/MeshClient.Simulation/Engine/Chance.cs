namespace MeshClient.Simulation.Engine;

/// <summary>The chance of a simulation, from one seed.</summary>
internal sealed class Chance(ulong seed)
{
    private readonly MeshRandom _random = new(seed);

    public double NextDouble() => _random.NextDouble();

    /// <summary>Time between events that come independently at a rate.</summary>
    public TimeSpan Exponential(double perSecond) => TimeSpan.FromSeconds(-Math.Log(1 - NextDouble()) / perSecond);

    /// <summary>
    /// A latency with a long tail, as those of servers have: log-normal, given by its median and the factor to its 99th percentile.
    /// </summary>
    public TimeSpan LogNormal(TimeSpan median, double toP99)
    {
        const double Z99 = 2.326;
        var normal = Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());
        return median * Math.Exp(normal * Math.Log(toP99) / Z99);
    }
}
