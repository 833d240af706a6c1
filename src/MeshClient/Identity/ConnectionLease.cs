namespace MeshClient.Identity;

/// <summary>A connection that must not outlive the certificates it was made with.</summary>
internal interface ILeasedConnection
{
    /// <summary>Takes no new work; ends when the present work has.</summary>
    /// <returns>Whether there was anybody to be told so.</returns>
    bool Drain();

    /// <summary>Ends now, whatever is under way.</summary>
    /// <param name="why">Why, as a sentence for logs.</param>
    void Abort(string why);
}

/// <summary>
/// How long one connection may live: it drains late in the life of the certificate that ends first, its own or its peer's, and
/// is aborted when that has been over for the grace. A root that is trusted no longer ends it sooner.
/// </summary>
internal sealed class ConnectionLease : IDisposable
{
    // How long to look away at most: a clock that has been put right must be noticed, and a timer takes no more than 49 days.
    private static readonly TimeSpan LongestLook = TimeSpan.FromHours(1);

    private readonly ConnectionLeases _owner;
    private readonly ILeasedConnection _connection;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly ITimer _timer;
    private DateTimeOffset _drainAt;
    private DateTimeOffset _abortAt;
    private string _why;
    private bool _isDraining;
    private bool _isOver;

    public ConnectionLease(
        ConnectionLeases owner,
        ILeasedConnection connection,
        ReadOnlyMemory<byte> peerRoot,
        DateTimeOffset drainAt,
        DateTimeOffset abortAt,
        string why,
        TimeProvider time)
    {
        _owner = owner;
        _connection = connection;
        PeerRoot = peerRoot;
        _drainAt = drainAt;
        _abortAt = abortAt;
        _why = why;
        _time = time;
        _timer = time.CreateTimer(static state => ((ConnectionLease)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Rearm(time.GetUtcNow());
    }

    /// <summary>The root that vouched for the peer.</summary>
    public ReadOnlyMemory<byte> PeerRoot { get; }

    /// <summary>Ends the connection sooner than was agreed.</summary>
    public void Shorten(DateTimeOffset drainAt, DateTimeOffset abortAt, string why)
    {
        lock (_lock)
        {
            if (_isOver || abortAt >= _abortAt)
            {
                return;
            }

            _drainAt = drainAt < _drainAt ? drainAt : _drainAt;
            (_abortAt, _why) = (abortAt, why);
            Rearm(_time.GetUtcNow());
        }
    }

    /// <summary>The connection is closed.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isOver = true;
        }

        _timer.Dispose();
        _owner.Forget(this);
    }

    private void Look()
    {
        bool drain;
        bool abort;
        lock (_lock)
        {
            if (_isOver)
            {
                return;
            }

            var now = _time.GetUtcNow();
            abort = _isOver = now >= _abortAt;
            drain = !abort && !_isDraining && now >= _drainAt;
            _isDraining |= drain;
            if (!abort)
            {
                Rearm(now);
            }
        }

        if (abort)
        {
            // Whoever has the connection may not notice, and never close it.
            _owner.Forget(this);
            _owner.CountEnd(wasAborted: true);
            _connection.Abort(_why);
        }
        else if (drain && _connection.Drain())
        {
            _owner.CountEnd(wasAborted: false);
        }
    }

    private void Rearm(DateTimeOffset now)
    {
        var next = (_isDraining || _abortAt < _drainAt ? _abortAt : _drainAt) - now;
        _timer.Change(
            next < TimeSpan.Zero ? TimeSpan.Zero : next < LongestLook ? next : LongestLook, Timeout.InfiniteTimeSpan);
    }
}
