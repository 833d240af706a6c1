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

    /// <summary>Many callers without pause, to the base address of a client.</summary>
    public SteadyCalls(HttpClient client)
        : this(client, new Uri("/", UriKind.Relative), closing: false, Callers, TimeSpan.Zero)
    {
    }

    /// <param name="client">What is called with.</param>
    /// <param name="address">What is called.</param>
    /// <param name="closing">Whether each call has its connection closed.</param>
    /// <param name="callers">How many call at a time.</param>
    /// <param name="pause">How long each waits between two calls.</param>
    public SteadyCalls(HttpClient client, Uri address, bool closing, int callers, TimeSpan pause)
    {
        _calling = Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(() => CallAsync(client, address, closing, pause))));
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

    private async Task CallAsync(HttpClient client, Uri address, bool closing, TimeSpan pause)
    {
        while (!_stop.IsCancellationRequested && _failures.IsEmpty)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, address);
                request.Headers.ConnectionClose = closing ? true : null;
                using var response = await client.SendAsync(request);
                response.EnsureSuccessStatusCode();
                await response.Content.ReadAsStringAsync();
                Interlocked.Increment(ref _succeeded);
                if (pause > TimeSpan.Zero)
                {
                    await Task.WhenAny(Task.Delay(pause, TimeProvider.System, _stop.Token));
                }
            }
            catch (HttpRequestException e)
            {
                _failures.Enqueue(e.ToString());
            }
        }
    }
}
