namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// How many certificates are signed: in a second, by a token bucket of one second's worth, or at a time. Callers beyond it are
/// told to come back, so a burst of clients cannot take the processor away from the registry.
/// </summary>
/// <remarks>The limits come with each call, because the configuration of the authority may change them at any time.</remarks>
internal sealed class SigningLimit(TimeProvider time)
{
    private readonly Lock _gate = new();
    private double _tokens;
    private double _lastRate;
    private long _last;
    private int _busy;

    /// <summary>Takes a place.</summary>
    /// <param name="perSecond">How many in a second; 0: no limit.</param>
    /// <param name="concurrent">How many at a time, in place of the limit per second; 0: no limit.</param>
    /// <returns>The place, to be disposed when the certificate is signed.</returns>
    /// <exception cref="RequestRefusedException">There is none.</exception>
    public Permit Take(double perSecond, int concurrent)
    {
        lock (_gate)
        {
            if (concurrent > 0 ? _busy >= concurrent : !TryTakeToken(perSecond))
            {
                throw new RequestRefusedException(429, "Rate limit reached, try again later");
            }

            _busy++;
            return new Permit(this);
        }
    }

    private bool TryTakeToken(double perSecond)
    {
        if (perSecond <= 0)
        {
            return true;
        }

        var now = time.GetTimestamp();
        var most = Math.Max(1, perSecond);
        _tokens = perSecond != _lastRate ? most : Math.Min(most, _tokens + (time.GetElapsedTime(_last, now).TotalSeconds * perSecond));
        (_last, _lastRate) = (now, perSecond);
        if (_tokens < 1)
        {
            return false;
        }

        _tokens--;
        return true;
    }

    private void Release()
    {
        lock (_gate)
        {
            _busy--;
        }
    }

    /// <summary>A place among those whose certificates are being signed.</summary>
    internal sealed class Permit(SigningLimit owner) : IDisposable
    {
        public void Dispose() => owner.Release();
    }
}
