namespace MeshClient.Simulation.Engine;

/// <summary>
/// Waits until the thread pool has nothing to do. Some continuations are sent there by the libraries below, and virtual time must
/// not pass while one is on its way. The pool is cut down to as many threads as there are processors, and as many pieces of
/// work meet in it: when all have come, every thread has done what was queued before.
/// </summary>
internal sealed class PoolFence : IDisposable
{
    private readonly int _threads = Environment.ProcessorCount;
    private readonly Barrier _barrier;
    private readonly CountdownEvent _left;
    private readonly WaitCallback _meet;

    public PoolFence()
    {
        ThreadPool.GetMaxThreads(out _, out var completionThreads);
        ThreadPool.SetMaxThreads(_threads, completionThreads);
        _barrier = new Barrier(_threads);
        _left = new CountdownEvent(_threads);
        _meet = _ =>
        {
            _barrier.SignalAndWait();
            _left.Signal();
        };
    }

    /// <summary>Waits. Not from a thread of the pool.</summary>
    public void Wait()
    {
        // What ran meanwhile may have queued more.
        long before;
        do
        {
            before = ThreadPool.CompletedWorkItemCount;
            _left.Reset();
            for (var i = 0; i < _threads; i++)
            {
                ThreadPool.UnsafeQueueUserWorkItem(_meet, null);
            }

            _left.Wait();
        }
        while (ThreadPool.PendingWorkItemCount > 0 || ThreadPool.CompletedWorkItemCount - before > _threads);
    }

    public void Dispose()
    {
        _barrier.Dispose();
        _left.Dispose();
    }
}
