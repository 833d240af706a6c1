namespace MeshClient.Tests.Support;

/// <summary>Calls made one after the other by some workers, until it is stopped. The first failure ends it and comes out.</summary>
internal sealed class Load : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    private readonly Task _workers;
    private int _made;
    private bool _stopping;

    private Load(int workers, Func<CancellationToken, Task> call) => _workers = Task.WhenAll(
        Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
        {
            while (!Volatile.Read(ref _stopping))
            {
                await call(_stop.Token);
                Interlocked.Increment(ref _made);
            }
        })));

    public static Load Start(int workers, Func<CancellationToken, Task> call) => new(workers, call);

    /// <summary>Waits until so many more calls have succeeded.</summary>
    public async Task MakeAsync(int more)
    {
        var goal = Volatile.Read(ref _made) + more;
        await Eventually.HoldsAsync(() => _workers.IsFaulted || Volatile.Read(ref _made) >= goal, $"{more} more calls");
        if (_workers.IsFaulted)
        {
            await _workers;
        }
    }

    /// <summary>Lets the calls in progress end, and tells how many there were.</summary>
    public async Task<int> StopAsync()
    {
        Volatile.Write(ref _stopping, true);
        await _workers.BoundedAsync();
        return _made;
    }

    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref _stopping, true);
        await _stop.CancelAsync();
        await _workers.ContinueWith(_ => { }, TaskScheduler.Default).BoundedAsync();
        _stop.Dispose();
    }
}
