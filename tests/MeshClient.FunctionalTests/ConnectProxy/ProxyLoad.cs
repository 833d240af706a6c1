namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>
/// A steady load of two kinds: calls on connections that are kept, and calls that each make one, so that there is a handshake at
/// every moment of a rotation.
/// </summary>
internal sealed class ProxyLoad : IAsyncDisposable
{
    private const int Callers = 2;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private readonly SteadyCalls _kept;
    private readonly SteadyCalls _fresh;

    public ProxyLoad(HttpClient client, Uri address)
    {
        _kept = new SteadyCalls(client, address, closing: false, Callers, Pause);
        _fresh = new SteadyCalls(client, address, closing: true, Callers, Pause);
    }

    public int Succeeded => _kept.Succeeded + _fresh.Succeeded;

    public async Task WaitForMoreAsync(int count)
    {
        await _kept.WaitForMoreAsync(count);
        await _fresh.WaitForMoreAsync(count);
    }

    /// <summary>Stops and says what failed.</summary>
    public async Task<IReadOnlyCollection<string>> StopAsync() => [.. await _kept.StopAsync(), .. await _fresh.StopAsync()];

    public async ValueTask DisposeAsync()
    {
        await _kept.DisposeAsync();
        await _fresh.DisposeAsync();
    }
}
