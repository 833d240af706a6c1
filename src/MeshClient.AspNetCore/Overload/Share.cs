namespace MeshClient.AspNetCore.Overload;

/// <summary>A share of the requests served at a time, and how many are being served of it.</summary>
internal sealed class Share(string name, int percent)
{
    private int _inFlight;

    public string Name { get; } = name;

    public int InFlight => Volatile.Read(ref _inFlight);

    public int Enter() => Interlocked.Increment(ref _inFlight);

    public void Leave() => Interlocked.Decrement(ref _inFlight);

    /// <summary>How many of a limit are its own; at least one where it has any part of it.</summary>
    public int Of(int limit) => (int)(((long)limit * percent + 99) / 100);
}
