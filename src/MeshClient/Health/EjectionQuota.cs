using MeshClient.Configuration;

namespace MeshClient.Health;

/// <summary>
/// How many instances of one service may be ejected at once: 10 % of them, but at least one when there are two or more, and
/// never the only one. Shared by the instances of a service.
/// </summary>
internal sealed class EjectionQuota
{
    private int _instances;
    private int _ejected;

    /// <summary>How many are ejected now.</summary>
    public int Ejected => Volatile.Read(ref _ejected);

    /// <summary>Tells how many instances there are now.</summary>
    public void Resize(int instances) => Volatile.Write(ref _instances, instances);

    /// <summary>Takes a place among the ejected, if one is free.</summary>
    public bool TryEject()
    {
        var instances = Volatile.Read(ref _instances);
        var allowed = instances < 2 ? 0 : Math.Max(1, instances * MeshDefaults.MaxEjectionPercent / 100);
        while (true)
        {
            var ejected = Volatile.Read(ref _ejected);
            if (ejected >= allowed)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _ejected, ejected + 1, ejected) == ejected)
            {
                return true;
            }
        }
    }

    /// <summary>Gives a place back.</summary>
    public void Returned() => Interlocked.Decrement(ref _ejected);
}
