using System.Threading.Channels;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Denials;

/// <summary>Hands denials on to the app's observers, each with a queue and a loop of its own, begun with the first denial.</summary>
internal sealed partial class DenialObservers(
    IEnumerable<IMeshDenialObserver> observers, DenialMetrics metrics, TimeProvider time, ILogger<DenialObservers> logger)
    : IDisposable
{
    private readonly IMeshDenialObserver[] _observers = [.. observers];
    private readonly LogLimiter<string> _limiter = new(time);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private volatile Channel<MeshDenial>[]? _queues;
    private bool _disposed;

    /// <summary>Whether nobody wants to be told.</summary>
    public bool IsEmpty => _observers.Length == 0;

    /// <summary>Hands it on, without waiting for anybody.</summary>
    public void Publish(MeshDenial denial)
    {
        foreach (var queue in _queues ?? Begin())
        {
            if (!queue.Writer.TryWrite(denial))
            {
                metrics.EventLost();
            }
        }
    }

    // A loop that does not heed the token is not waited for: the app has to be able to end.
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
        }

        _ = _stop.CancelAsync();
    }

    private Channel<MeshDenial>[] Begin()
    {
        lock (_lock)
        {
            if (_queues is null)
            {
                // In the mode that waits, a full queue refuses what is not waited for, and so can be told of.
                var queues = _observers.Select(_ => Channel.CreateBounded<MeshDenial>(
                    new BoundedChannelOptions(MeshDenialDefaults.QueueLength) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait })).ToArray();
                if (!_disposed)
                {
                    // The loops must not carry the activity or the deadline of the request that happened to be the first.
                    using (ExecutionContext.SuppressFlow())
                    {
                        for (var i = 0; i < queues.Length; i++)
                        {
                            var (observer, denials) = (_observers[i], queues[i].Reader);
                            _ = Task.Run(() => TellAsync(observer, denials));
                        }
                    }
                }

                _queues = queues;
            }

            return _queues;
        }
    }

    private async Task TellAsync(IMeshDenialObserver observer, ChannelReader<MeshDenial> denials)
    {
        try
        {
            await foreach (var denial in denials.ReadAllAsync(_stop.Token).ConfigureAwait(false))
            {
                try
                {
                    await observer.OnDeniedAsync(denial, _stop.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (!_stop.IsCancellationRequested)
                {
                    if (_limiter.TryEnter(observer.GetType().Name, out var suppressed))
                    {
                        LogFailed(logger, e, observer.GetType().Name, suppressed);
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The app ends.
        }
    }

    [LoggerMessage(
        133, LogLevel.Error, "The denial observer {Observer} failed; it is told of the next denial all the same. {Suppressed} failures before it were not logged.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string observer, int suppressed);
}
