namespace MeshClient.Server.Api;

/// <summary>Chance for several threads.</summary>
internal sealed class Jitter(Random random)
{
    private readonly Lock _gate = new();

    /// <summary>A random part of a length of time.</summary>
    public TimeSpan PartOf(TimeSpan span)
    {
        lock (_gate)
        {
            return span * random.NextDouble();
        }
    }

    /// <summary>Puts things into a random order.</summary>
    public void Shuffle<T>(T[] things)
    {
        lock (_gate)
        {
            random.Shuffle(things);
        }
    }
}
