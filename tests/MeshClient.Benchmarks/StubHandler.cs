using System.Net;

namespace MeshClient.Benchmarks;

/// <summary>
/// Stands in for the network: leaves every call pending until told to finish, so that each layer above really suspends, as it
/// does on a socket.
/// </summary>
internal sealed class StubHandler(byte[]? body) : HttpMessageHandler
{
    private static readonly HttpResponseMessage Empty = new(HttpStatusCode.OK);
    private TaskCompletionSource<HttpResponseMessage>? _pending;

    public bool HasBody => body is not null;

    public bool IsPending => Volatile.Read(ref _pending) is not null;

    /// <summary>Finishes the pending call on this thread.</summary>
    public void Finish()
    {
        var pending = _pending!;
        _pending = null;
        pending.SetResult(body is null ? Empty : new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(body) });
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Once it is pending, another thread may finish it.
        var pending = new TaskCompletionSource<HttpResponseMessage>();
        Volatile.Write(ref _pending, pending);
        return pending.Task;
    }
}
