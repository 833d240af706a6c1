using System.Net;

namespace MeshClient.Simulation.Engine;

/// <summary>
/// One instance of a service: so many workers, and a queue before them. A call that its caller has given up still keeps its
/// worker until it is done, as in most servers; one that still waits in the queue is dropped.
/// </summary>
internal sealed class SimulatedInstance(VirtualClock clock, Chance chance, InstanceBehaviour behaviour)
{
    private readonly Queue<Job> _queue = new();
    private int _busy;

    /// <summary>From when on the registry lists it.</summary>
    public TimeSpan ListedFrom => behaviour.ListedFrom;

    /// <summary>How many attempts have arrived.</summary>
    public int Arrived { get; private set; }

    public Task<HttpResponseMessage> HandleAsync(CancellationToken cancellationToken)
    {
        Arrived++;
        // Continuations run inside the clock's turn, on its thread.
        var job = new Job(new TaskCompletionSource<HttpResponseMessage>(), cancellationToken);
        if (cancellationToken.CanBeCanceled)
        {
            cancellationToken.UnsafeRegister(
                static (state, token) => ((TaskCompletionSource<HttpResponseMessage>)state!).TrySetCanceled(token), job.Answer);
        }

        if (behaviour.Refuses(clock.Now))
        {
            clock.At(clock.Now + behaviour.RefusalLatency, () => Finish(job, HttpStatusCode.ServiceUnavailable));
        }
        else if (_busy < behaviour.Workers)
        {
            Work(job);
        }
        else if (_queue.Count < behaviour.QueueLength)
        {
            _queue.Enqueue(job);
        }
        else
        {
            Finish(job, HttpStatusCode.ServiceUnavailable);
        }

        return job.Answer.Task;
    }

    private static void Finish(Job job, HttpStatusCode status) => job.Answer.TrySetResult(new HttpResponseMessage(status));

    private void Work(Job job)
    {
        _busy++;
        var now = clock.Now;
        var end = behaviour.EndOf(now, now + behaviour.ServiceTime(chance, now));
        var fails = chance.NextDouble() < behaviour.FailureShare(now);
        clock.At(end, () =>
        {
            if (behaviour.Next is { } next && !fails)
            {
                _ = PassOnAsync(job, next);
                return;
            }

            _busy--;
            Finish(job, fails ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK);
            TakeNext();
        });
    }

    // The worker is held while the call to the next tier lasts.
    private async Task PassOnAsync(Job job, Func<CancellationToken, Task<HttpStatusCode>> next)
    {
        var status = await next(job.Cancellation);
        _busy--;
        Finish(job, status);
        TakeNext();
    }

    private void TakeNext()
    {
        while (_busy < behaviour.Workers && _queue.TryDequeue(out var waiting))
        {
            if (!waiting.Cancellation.IsCancellationRequested)
            {
                Work(waiting);
            }
        }
    }

    private sealed record Job(TaskCompletionSource<HttpResponseMessage> Answer, CancellationToken Cancellation);
}
