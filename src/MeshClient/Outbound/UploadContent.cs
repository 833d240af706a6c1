using System.Net;
using System.Net.Http.Json;

namespace MeshClient.Outbound;

/// <summary>
/// A request's body that tells when it has been sent, so that the time for the answer counts from there: an upload, or a
/// client that streams, may take as long as it needs. Also tells whether it was the app's content that failed, not the connection
/// it was sent on. Buffers nothing.
/// </summary>
internal sealed class UploadContent : HttpContent
{
    // What is no longer than this is sent at once, as far as anybody waits; Linkerd's limit for a body it would send again.
    private const long LongestShortBody = 64 * 1024;

    private readonly Func<long> _sent;
    private readonly Lock _lock = new();
    private volatile Exception? _failure;
    private bool _closed;

    /// <param name="inner">The app's content.</param>
    /// <param name="sent">Called when it has been sent, unless <see cref="Close"/> came first. Returns the timestamp.</param>
    public UploadContent(HttpContent inner, Func<long> sent)
    {
        Inner = inner;
        _sent = sent;
        foreach (var header in inner.Headers.NonValidated)
        {
            Headers.TryAddWithoutValidation(header.Key, header.Value);
        }
    }

    public HttpContent Inner { get; }

    /// <summary>Whether anything of it has been read.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>The timestamp at which it had been sent; 0 while it has not, and when <see cref="Close"/> came first.</summary>
    public long SentAt { get; private set; }

    /// <summary>What the app's content threw; null: nothing, whatever became of the connection.</summary>
    public Exception? Failure => _failure;

    /// <summary>Whether sending a content may take long: a stream, or much of it.</summary>
    public static bool IsUpload(HttpContent? content) => content switch
    {
        null or JsonContent => false,
        ByteArrayContent or ReadOnlyMemoryContent => content.Headers.ContentLength > LongestShortBody,
        _ => true,
    };

    /// <summary>The app's own content.</summary>
    public static HttpContent? Unwrap(HttpContent? content) => content is UploadContent upload ? upload.Inner : content;

    /// <summary>From here on nobody is told any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        HasBegun = true;
        var destination = new WatchedDestination(stream);
        try
        {
            await Inner.CopyToAsync(destination, context, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!destination.HasFailed && !cancellationToken.IsCancellationRequested)
        {
            // The runtime makes these two the cause of a failure of its own, since it cannot tell whose they are.
            _failure = e is HttpRequestException { InnerException: (IOException or ObjectDisposedException) and var cause } ? cause : e;
            throw;
        }

        lock (_lock)
        {
            if (!_closed)
            {
                SentAt = _sent();
            }
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        var known = Inner.Headers.ContentLength;
        length = known ?? 0;
        return known is not null;
    }

    // The inner content is the app's to dispose.
}
