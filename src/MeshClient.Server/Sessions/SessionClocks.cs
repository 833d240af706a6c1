using MeshClient.Server.State;

namespace MeshClient.Server.Sessions;

/// <summary>
/// Ends the sessions nobody renews. The time to live is a lower bound: they end after twice that (as in Consul), which leaves
/// room for a renewal that is late. Renewals are not stored; each run begins all times anew.
/// </summary>
internal sealed class SessionClocks(StateStore store, TimeProvider time) : IDisposable
{
    /// <summary>How often it looks. A session may live that much longer.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Deadline> _deadlines = new(StringComparer.OrdinalIgnoreCase);
    private ITimer? _timer;
    private bool _stopped;

    /// <summary>How many clocks run.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _deadlines.Count;
            }
        }
    }

    /// <summary>Starts the clock of a session; one that has a clock goes on by it.</summary>
    public void Follow(SessionRecord session)
    {
        if (session.TimeToLive is not { } ttl)
        {
            return;
        }

        lock (_gate)
        {
            if (!_stopped && _deadlines.TryAdd(session.Id, new Deadline(time, 2 * ttl)))
            {
                _timer ??= time.CreateTimer(static state => ((SessionClocks)state!).Look(), this, Interval, Interval);
            }
        }
    }

    /// <summary>Follows all sessions of the state.</summary>
    public void FollowAll()
    {
        foreach (var session in store.Current.Sessions.ById.Values)
        {
            Follow(session);
        }
    }

    /// <summary>Begins the time of a session anew.</summary>
    /// <returns>The session; null when it has ended.</returns>
    public SessionRecord? Renew(string id)
    {
        if (store.Current.Sessions.Find(id) is not { } session)
        {
            return null;
        }

        if (session.TimeToLive is { } ttl)
        {
            lock (_gate)
            {
                // One that is ending has no clock any more, and is not brought back.
                if (!_deadlines.ContainsKey(session.Id))
                {
                    return null;
                }

                _deadlines[session.Id] = new Deadline(time, 2 * ttl);
            }
        }

        return session;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            _timer?.Dispose();
        }
    }

    private void Look()
    {
        List<string>? over = null;
        lock (_gate)
        {
            // Read under the lock: a clock is started under it, and only once its session is there.
            var sessions = store.Current.Sessions;
            foreach (var (id, deadline) in _deadlines)
            {
                // One that was ended otherwise needs no clock any more, and may have had a day to go.
                if (deadline.Left <= TimeSpan.Zero || sessions.Find(id) is null)
                {
                    (over ??= []).Add(id);
                }
            }

            foreach (var id in over ?? [])
            {
                _deadlines.Remove(id);
            }
        }

        foreach (var id in over ?? [])
        {
            _ = EndAsync(id);
        }
    }

    private async Task EndAsync(string id)
    {
        try
        {
            await store.ApplyAsync(new EndSession(id, Moment.Now(time))).ConfigureAwait(false);
        }
        catch (StateNotStoredException)
        {
            // Its locks must not be held for ever: it is tried again.
            lock (_gate)
            {
                _deadlines[id] = new Deadline(time, Interval);
            }
        }
    }
}
