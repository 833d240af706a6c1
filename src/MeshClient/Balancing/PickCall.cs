using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>All that a pick depends on besides the instances: the call, the clock and chance.</summary>
internal readonly ref struct PickCall
{
    public PickCall(ReadOnlySpan<InstanceState> tried, bool anyOut, MeshRandom random, long now)
    {
        Tried = tried;
        AnyOut = anyOut;
        Random = random;
        Now = now;
    }

    /// <summary>The request; null where no policy looks at it.</summary>
    public HttpRequestMessage? Request { get; init; }

    /// <summary>The instances this call has tried already.</summary>
    public ReadOnlySpan<InstanceState> Tried { get; }

    /// <summary>Whether any instance of the service may be ejected; false spares looking at each.</summary>
    public bool AnyOut { get; }

    public MeshRandom Random { get; }

    public long Now { get; }

    /// <summary>Whether every instance is as good as any.</summary>
    public bool AllGood => !AnyOut && Tried.IsEmpty;

    /// <summary>
    /// Whether an instance is neither ejected nor tried. One that waits for its probe is not good: <see cref="PickStage"/> chooses
    /// the call that is to be the probe.
    /// </summary>
    public bool IsGood(InstanceState instance) => (!AnyOut || !instance.IsOut || instance.Ejection.IsServing) && !IsTried(instance);

    public bool IsTried(InstanceState instance)
    {
        foreach (var one in Tried)
        {
            if (ReferenceEquals(one, instance))
            {
                return true;
            }
        }

        return false;
    }
}
