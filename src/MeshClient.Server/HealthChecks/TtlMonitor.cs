using System.Collections.Concurrent;
using MeshClient.Server.Hosting;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.HealthChecks;

/// <summary>
/// Runs the clocks of TTL checks: one timer for each, started by its registration, started again by every sign of life,
/// and turning the check critical when it runs out, unless so many run out together that <see cref="SelfPreservation"/>
/// keeps them.
/// </summary>
/// <remarks>
/// Which clocks run follows from the state alone: whoever has written a registration calls <see cref="Follow"/>, which looks
/// at the state as it is by then, so calls that cross each other end right whatever their order. A beat and an expiry of
/// one check take its lock, so a check that was beaten in time never expires and one that expired is put right by the next beat.
/// </remarks>
internal sealed class TtlMonitor(
    StateStore store, TimeProvider time, SelfPreservation? preservation, ServerMetrics metrics, ILogger<TtlMonitor> logger) : IDisposable
{
    public const string ExpiredOutput = "TTL expired";

    /// <summary>Timers go no further than 49 days; a longer time to live takes several rings.</summary>
    private static readonly TimeSpan LongestRing = TimeSpan.FromDays(1);

    private readonly ConcurrentDictionary<string, Clock> _clocks = new(StringComparer.Ordinal);
    private volatile bool _stopped;
    private int _alive;
    private int _overdue;
    private int _wasPreserving;

    /// <summary>How many clocks run.</summary>
    public int Count => _clocks.Count;

    /// <summary>How many checks are held back although their time is over.</summary>
    public int Overdue => Volatile.Read(ref _overdue);

    /// <summary>Whether instances are kept, because most beats have stopped.</summary>
    public bool IsPreserving => preservation?.Keeps(Volatile.Read(ref _overdue), Volatile.Read(ref _alive)) == true;

    /// <summary>Brings the clock of a check in line with the state, and starts it anew.</summary>
    public void Follow(string checkId)
    {
        if (_stopped)
        {
            return;
        }

        while (true)
        {
            var check = store.Current.Catalog.FindCheck(checkId, out _);
            if (check?.TimeToLive is null && !_clocks.ContainsKey(checkId))
            {
                return;
            }

            var clock = _clocks.GetOrAdd(checkId, static (id, monitor) => new Clock(monitor, id), this);
            lock (clock)
            {
                if (clock.IsStopped)
                {
                    continue;
                }

                check = store.Current.Catalog.FindCheck(checkId, out _);
                if (check?.TimeToLive is { } ttl)
                {
                    clock.Start(ttl, check.Status);
                }
                else
                {
                    clock.Stop();
                    _clocks.TryRemove(new KeyValuePair<string, Clock>(checkId, clock));
                }

                return;
            }
        }
    }

    /// <summary>Takes a sign of life: sets what the check says and starts its clock anew.</summary>
    /// <exception cref="RequestRefusedException">There is no such check, or nobody has to beat it.</exception>
    public async Task BeatAsync(string checkId, CheckStatus status, string output)
    {
        var check = store.Current.Catalog.FindCheck(checkId, out _)
            ?? throw RequestRefusedException.NotFound(CheckTexts.Unknown(checkId));
        if (check.TimeToLive is not { } ttl)
        {
            throw RequestRefusedException.NotFound(CheckTexts.NotTtl(checkId));
        }

        if (!_clocks.TryGetValue(checkId, out var clock))
        {
            // Deregistered, or registered just now by somebody who has not come to start the clock yet.
            await store.ApplyAsync(new SetCheckStatus(checkId, status, output, time.GetUtcNow())).ConfigureAwait(false);
            Follow(checkId);
            return;
        }

        Task written;
        lock (clock)
        {
            written = store.ApplyAsync(new SetCheckStatus(checkId, status, output, time.GetUtcNow()));
            if (!clock.IsStopped)
            {
                clock.Start(ttl, status);
            }
        }

        TellWhenTurned();
        await written.ConfigureAwait(false);
    }

    public void Dispose()
    {
        _stopped = true;
        foreach (var clock in _clocks.Values)
        {
            lock (clock)
            {
                clock.Stop();
            }
        }

        _clocks.Clear();
    }

    private void Expire(Clock clock)
    {
        lock (clock)
        {
            if (clock.IsStopped)
            {
                return;
            }

            if (clock.Left is var left && left > TimeSpan.Zero)
            {
                // A beat came between the timer's ring and this lock, or the time is longer than a timer goes, or it rang a little early.
                clock.Ring(left);
                return;
            }

            if (preservation is not null && clock.State != ClockState.Expired
                && (clock.State == ClockState.Alive || IsPreserving))
            {
                clock.Hold();
            }
            else
            {
                clock.SetState(ClockState.Expired);
                metrics.CheckExpired();

                // Refused when the check went away meanwhile; whoever took it away stops the clock.
                _ = store.ApplyAsync(new SetCheckStatus(clock.CheckId, CheckStatus.Critical, ExpiredOutput, time.GetUtcNow()));
            }
        }

        TellWhenTurned();
    }

    private void TellWhenTurned()
    {
        if (preservation is null)
        {
            return;
        }

        var preserving = IsPreserving;
        if (Interlocked.Exchange(ref _wasPreserving, preserving ? 1 : 0) == (preserving ? 1 : 0))
        {
            return;
        }

        if (preserving)
        {
            Log.PreservationBegan(logger, Overdue, Overdue + Volatile.Read(ref _alive));
        }
        else
        {
            Log.PreservationEnded(logger, Overdue);
        }
    }

    private Deadline DeadlineAfter(TimeSpan ttl) => new(time, ttl);

    private ITimer CreateTimer(Clock clock, TimeSpan due) =>
        time.CreateTimer(static state => ((Clock)state!).OnRing(), clock, due, Timeout.InfiniteTimeSpan);

    private void CountClock(ClockState state, int step)
    {
        if (state == ClockState.Alive)
        {
            Interlocked.Add(ref _alive, step);
        }
        else if (state == ClockState.Overdue)
        {
            Interlocked.Add(ref _overdue, step);
        }
    }

    private enum ClockState
    {
        /// <summary>Critical, or not started: nobody misses its beats.</summary>
        Expired,

        /// <summary>Beaten in time.</summary>
        Alive,

        /// <summary>Its time is over, and it is held back.</summary>
        Overdue,
    }

    /// <summary>One check's clock; everything under its lock.</summary>
    private sealed class Clock(TtlMonitor monitor, string checkId)
    {
        private ITimer? _timer;
        private Deadline _deadline;
        private TimeSpan _ttl;

        public string CheckId { get; } = checkId;

        public TimeSpan Left => _deadline.Left;

        public bool IsStopped { get; private set; }

        public ClockState State { get; private set; }

        public void Start(TimeSpan ttl, CheckStatus status)
        {
            _ttl = ttl;
            SetState(status == CheckStatus.Critical ? ClockState.Expired : ClockState.Alive);
            _deadline = monitor.DeadlineAfter(ttl);
            Ring(ttl);
        }

        public void Hold()
        {
            SetState(ClockState.Overdue);
            var hold = SelfPreservation.HoldOf(_ttl);
            _deadline = monitor.DeadlineAfter(hold);
            Ring(hold);
        }

        public void SetState(ClockState state)
        {
            monitor.CountClock(State, -1);
            State = state;
            monitor.CountClock(State, 1);
        }

        public void Ring(TimeSpan after)
        {
            // Rounded up: timers count whole milliseconds and would otherwise ring just before the deadline.
            var due = after > LongestRing ? LongestRing : TimeSpan.FromMilliseconds(Math.Ceiling(after.TotalMilliseconds));
            if (_timer is null)
            {
                _timer = monitor.CreateTimer(this, due);
            }
            else
            {
                _timer.Change(due, Timeout.InfiniteTimeSpan);
            }
        }

        public void Stop()
        {
            SetState(ClockState.Expired);
            IsStopped = true;
            _timer?.Dispose();
        }

        public void OnRing() => monitor.Expire(this);
    }
}
