namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// A token bucket of one second's worth: what was not used is saved for at most a second. Callers that exceed it are told to
/// come back, so a burst of clients cannot take the processor away from the registry.
/// </summary>
internal sealed class SigningRateLimit(int perSecond, TimeProvider time)
{
    private readonly Lock _gate = new();
    private double _tokens = perSecond;
    private long _last = time.GetTimestamp();

    public bool TryTake()
    {
        if (perSecond <= 0)
        {
            return true;
        }

        lock (_gate)
        {
            var now = time.GetTimestamp();
            _tokens = Math.Min(perSecond, _tokens + (time.GetElapsedTime(_last, now).TotalSeconds * perSecond));
            _last = now;
            if (_tokens < 1)
            {
                return false;
            }

            _tokens--;
            return true;
        }
    }
}
