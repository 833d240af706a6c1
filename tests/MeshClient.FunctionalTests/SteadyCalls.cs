using System.Collections.Concurrent;

namespace MeshClient.FunctionalTests;

/// <summary>Calls that go on until told to stop, and what came of them.</summary>
internal sealed class SteadyCalls : IAsyncDisposable
{
    private const int Callers = 8;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly Task _calling;
    private int _succeeded;

    public SteadyCalls(HttpClient client)
    {
        _calling = Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(() => CallAsync(client))));
    }

    public int Succeeded => Volatile.Read(ref _succeeded);

    /// <summary>Waits until so many more calls have succeeded.</summary>
    public Task WaitForMoreAsync(int count)
    {
        var until = Succeeded + count;
        return MeshHosts.WaitUntilAsync(() => Task.FromResult(Succeeded >= until || !_failures.IsEmpty));
    }

    /// <summary>Stops and says what failed.</summary>
    public async Task<IReadOnlyCollection<string>> StopAsync()
    {
        await _stop.CancelAsync();
        await _calling;
        return _failures;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task CallAsync(HttpClient client)
    {
        while (!_stop.IsCancellationRequested && _failures.IsEmpty)
        {
            try
            {
                using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
                response.EnsureSuccessStatusCode();
                await response.Content.ReadAsStringAsync();
                Interlocked.Increment(ref _succeeded);
            }
            catch (HttpRequestException e)
            {
                _failures.Enqueue(e.ToString());
            }
        }
    }
}
