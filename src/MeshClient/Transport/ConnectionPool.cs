namespace MeshClient.Transport;

/// <summary>
/// A pool of connections to one endpoint, closed when it has been retired and the last call on it has ended. Counts its
/// users: the owner is one, each call is one.
/// </summary>
/// <remarks>Is itself what calls are sent with, so that a call to one of thousands of instances looks at one object less.</remarks>
internal sealed class ConnectionPool : HttpMessageInvoker
{
    // So far below zero that nobody who comes too late counts it up again.
    private const int Closed = int.MinValue / 2;

    private readonly HttpMessageInvoker? _http11Invoker;
    private int _users = 1;

    /// <param name="handler">Makes the connections; closed with the pool.</param>
    /// <param name="http11Invoker">What calls that must not go over HTTP/2 are sent with; null: the same.</param>
    public ConnectionPool(HttpMessageHandler handler, HttpMessageInvoker? http11Invoker)
        : base(handler, disposeHandler: true)
    {
        _http11Invoker = http11Invoker;
    }

    /// <summary>How many use it: its owner and the calls on it.</summary>
    public int Users => Math.Max(0, Volatile.Read(ref _users));

    public HttpMessageInvoker Http11Invoker => _http11Invoker ?? this;

    /// <summary>Becomes a user, unless the pool is closed.</summary>
    public bool TryAcquire() => Interlocked.Increment(ref _users) > 0;

    public void Release()
    {
        // Unless somebody became a user in the meantime, who then closes it.
        if (Interlocked.Decrement(ref _users) == 0 && Interlocked.CompareExchange(ref _users, Closed, 0) == 0)
        {
            Dispose();
            _http11Invoker?.Dispose();
        }
    }

    /// <summary>The owner lets go. Must be called once.</summary>
    public void Retire() => Release();
}
