using MeshClient.Core.ControlPlane;
using Microsoft.Extensions.Logging;

namespace MeshClient.ControlPlane;

/// <summary>What the runner needs to know of a watch, whatever it watches.</summary>
internal interface IWatch
{
    /// <summary>What is watched: instances, intentions, trust-bundle or leaf.</summary>
    string Kind { get; }

    /// <summary>Whose: a service's name, or empty.</summary>
    string Subject { get; }

    /// <summary>How long ago the source last confirmed the value in force; null while there is none.</summary>
    TimeSpan? Age { get; }
}

/// <summary>
/// Keeps one value of a control plane up to date, for as long as it lives: one read at a time, each waiting for something
/// newer than the last. The last good value stays in force whatever happens; its age tells how long it has not been
/// confirmed.
/// </summary>
/// <remarks>
/// After a failure the next read starts without an index, because the registry may have been restarted with a lower one
/// (a read with an index too high waits for the whole wait). Pauses after failures: 100 ms doubled each time up to 10 s,
/// with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), or what the control plane asked for if that
/// is longer, up to 5 min. Answers that come without a wait are limited to 3 in a row and then 4 a second, so that a source
/// that lies about its index cannot make the loop spin; the Go client of Consul limits its watches much the same way.
/// </remarks>
internal sealed partial class Watch<T> : IWatch, IAsyncDisposable
    where T : class
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    // A control plane, or something that answers in its place, must not be able to silence a watch for good.
    private static readonly TimeSpan LongestAskedPause = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Refill = TimeSpan.FromMilliseconds(250);

    // Reads beyond the first that may follow at once.
    private const int Burst = 2;
    private const int MaxDoublings = 10;

    private readonly Func<ulong, CancellationToken, Task<Watched<T>>> _read;
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly ILogger _logger;
    private readonly Action<T> _changed;
    private readonly Action<IWatch> _ended;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile T? _current;
    private volatile Exception? _lastFailure;
    private long _confirmedAt;
    private int _disposed;
    private Task _loop = Task.CompletedTask;

    public Watch(
        string kind,
        string subject,
        Func<ulong, CancellationToken, Task<Watched<T>>> read,
        Action<T> changed,
        Action<IWatch> ended,
        TimeProvider time,
        MeshRandom random,
        ILogger logger)
    {
        Kind = kind;
        Subject = subject;
        _read = read;
        _changed = changed;
        _ended = ended;
        _time = time;
        _random = random;
        _logger = logger;
    }

    public string Kind { get; }

    public string Subject { get; }

    /// <summary>The value in force; null until the first read has succeeded.</summary>
    public T? Current => _current;

    /// <summary>Why the last read failed; null when it did not.</summary>
    public Exception? LastFailure => _lastFailure;

    public TimeSpan? Age => _current is null ? null : _time.GetElapsedTime(Volatile.Read(ref _confirmedAt));

    public void Start()
    {
        // The loop must not carry the activity, deadline or culture of the call that happened to start it.
        using (ExecutionContext.SuppressFlow())
        {
            _loop = Task.Run(() => RunAsync(_stop.Token));
        }
    }

    /// <summary>
    /// Waits for the first value. Gives up early when the control plane refuses, since waiting would not help.
    /// </summary>
    /// <exception cref="ControlPlaneException">The control plane refused.</exception>
    /// <exception cref="OperationCanceledException">The token fired first; <see cref="LastFailure"/> may tell why.</exception>
    public async Task<T> FirstAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task progress;
            lock (_lock)
            {
                progress = _progress.Task;
            }

            if (_current is { } value)
            {
                return value;
            }

            if (_lastFailure is ControlPlaneException { Failure: ControlPlaneFailure.Forbidden or ControlPlaneFailure.Rejected } refusal)
            {
                throw new ControlPlaneException(refusal.Failure, refusal.Message, refusal);
            }

            await progress.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _ended(this);
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        ulong index = 0;
        var failures = 0;
        var tokens = (double)Burst;
        var refilledAt = _time.GetTimestamp();
        while (!stop.IsCancellationRequested)
        {
            Exception failure;
            try
            {
                var read = await _read(index, stop).ConfigureAwait(false);
                TakeIn(read.Value, read.Remembered?.Age ?? TimeSpan.Zero, onlyIfFirst: read.Remembered is not null);
                if (read.Remembered is null)
                {
                    index = read.Index;
                    if (failures > 0)
                    {
                        failures = 0;
                        _lastFailure = null;
                        LogRecovered(_logger, Kind, Subject);
                    }

                    SignalProgress();
                    tokens = Math.Min(Burst, tokens + (_time.GetElapsedTime(refilledAt) / Refill)) - 1;
                    refilledAt = _time.GetTimestamp();
                    if (tokens < 0)
                    {
                        await Task.Delay(Refill * -tokens, _time, stop).ConfigureAwait(false);
                    }

                    continue;
                }

                failure = read.Remembered.Failure;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                failure = e;
            }

            index = 0;
            _lastFailure = failure;
            if (failures == 0)
            {
                LogFailed(_logger, Kind, Subject, failure.Message);
            }

            SignalProgress();
            var pause = _random.NextDouble() * Math.Min(
                LongestPause.TotalMilliseconds, FirstPause.TotalMilliseconds * (1 << Math.Min(failures, MaxDoublings)));
            var asked = (failure as ControlPlaneException)?.RetryAfter ?? TimeSpan.Zero;
            pause = Math.Max(pause, Math.Min(asked.TotalMilliseconds, LongestAskedPause.TotalMilliseconds));
            failures++;
            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(pause), _time, stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private void TakeIn(T value, TimeSpan age, bool onlyIfFirst)
    {
        if (onlyIfFirst ? _current is null : !value.Equals(_current))
        {
            // Before the value can be seen: whoever waits for it acts on what this puts in force.
            _changed(value);
            _current = value;
        }
        else if (!ReferenceEquals(value, _current))
        {
            // Nobody has seen it. A value that is replaced is not disposed: whoever took it may still use it.
            (value as IDisposable)?.Dispose();
            if (onlyIfFirst)
            {
                return;
            }
        }

        Volatile.Write(ref _confirmedAt, _time.GetTimestamp() - (long)(age.TotalSeconds * _time.TimestampFrequency));
    }

    private void SignalProgress()
    {
        TaskCompletionSource progress;
        lock (_lock)
        {
            progress = _progress;
            _progress = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        progress.SetResult();
    }

    [LoggerMessage(1, LogLevel.Warning, "Watching {Kind} {Subject} failed; the last known value stays in force. {Problem}")]
    private static partial void LogFailed(ILogger logger, string kind, string subject, string problem);

    [LoggerMessage(2, LogLevel.Information, "Watching {Kind} {Subject} works again.")]
    private static partial void LogRecovered(ILogger logger, string kind, string subject);
}
