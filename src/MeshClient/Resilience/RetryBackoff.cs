namespace MeshClient.Resilience;

/// <summary>
/// How long to wait before a call is tried again: as long as the instance asks for, and on top a random time up to a base that
/// doubles with each retry, at most a cap; never beyond the deadline.
/// </summary>
/// <remarks>
/// "Full jitter", a time anywhere from nothing to the bound, spreads callers that failed together the best (Brooker, "Exponential
/// Backoff And Jitter", AWS Architecture Blog, 2015); Envoy and Linkerd do the same.
/// </remarks>
internal static class RetryBackoff
{
    /// <summary>Works it out.</summary>
    /// <param name="retry">0 for the first retry.</param>
    /// <param name="baseDelay">The bound of the first; not negative.</param>
    /// <param name="maxDelay">The cap; not negative.</param>
    /// <param name="pause">What the instance asks for.</param>
    /// <param name="left">What is left of the deadline; null: there is none.</param>
    /// <param name="random">0 up to, but not, 1.</param>
    public static TimeSpan Of(int retry, TimeSpan baseDelay, TimeSpan maxDelay, TimeSpan pause, TimeSpan? left, double random)
    {
        // Doubled beyond all bounds it becomes infinite, and the cap is less.
        var most = Math.Min(Math.ScaleB(baseDelay.TotalMilliseconds, retry), maxDelay.TotalMilliseconds);
        if (left is { } time)
        {
            most = Math.Min(most, Math.Max(0, (time - pause).TotalMilliseconds));
        }

        return pause + TimeSpan.FromMilliseconds(most * random);
    }
}
