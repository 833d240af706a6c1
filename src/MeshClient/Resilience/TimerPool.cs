namespace MeshClient.Resilience;

/// <summary>
/// Keeps cancellation sources for use again: a fresh one would cost 144 bytes and a timer per attempt.
/// </summary>
internal sealed class TimerPool(TimeProvider time)
{
    private const int MaxKept = 256;

    private readonly Spares<AttemptTimer> _spares = new(MaxKept);

    public AttemptTimer Rent() => _spares.TryTake() ?? new AttemptTimer(time);

    /// <summary>Takes a source back that nothing is registered with any more.</summary>
    public void Return(AttemptTimer source)
    {
        if (!source.TryRenew() || !_spares.TryKeep(source))
        {
            source.Dispose();
        }
    }
}
