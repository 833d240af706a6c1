using System.Net;

namespace MeshClient.Outbound;

/// <summary>
/// An answer's content that tells when it has been read to the end, has failed or was disposed. Buffers nothing: it hands the
/// reader the connection's own stream, with a wrapper that watches for its end.
/// </summary>
internal sealed class TrackedContent : HttpContent
{
    // A frame of HTTP/2; the default of 80 KiB is dear for the small answers most calls get.
    private const int CopyBufferSize = 16 * 1024;

    private readonly HttpContent _inner;
    private readonly OutboundPipeline _pipeline;
    private readonly OutboundAttempt _attempt;
    private int _ended;
    private bool _givenUp;

    public TrackedContent(HttpContent inner, OutboundPipeline pipeline, OutboundAttempt attempt)
    {
        _inner = inner;
        _pipeline = pipeline;
        _attempt = attempt;
        foreach (var header in inner.Headers.NonValidated)
        {
            // A header of one value, as nearly all are, goes over without being boxed and enumerated.
            if (header.Value.Count == 1)
            {
                Headers.TryAddWithoutValidation(header.Key, header.Value.ToString());
            }
            else
            {
                Headers.TryAddWithoutValidation(header.Key, header.Value);
            }
        }
    }

    /// <summary>Whether there can be anything to wait for after the head of an answer.</summary>
    public static bool MayHaveBody(HttpResponseMessage response) =>
        response.RequestMessage?.Method != HttpMethod.Head
        && response.StatusCode is not (HttpStatusCode.NoContent or HttpStatusCode.NotModified)
        && response.Content.Headers.ContentLength != 0;

    /// <summary>The reader wants no more: what fails from here on is its own doing.</summary>
    public void GiveUp() => Volatile.Write(ref _givenUp, true);

    /// <summary>Says that the body has come to its end, one way or another. Only the first time counts.</summary>
    public void End(Exception? failure)
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            _pipeline.BodyEnded(_attempt, Volatile.Read(ref _givenUp) ? null : failure);
        }
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        await SerializeToStreamAsync(stream, context, CancellationToken.None).ConfigureAwait(false);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // Through the stream, which tells a connection that broke from a reader that gave up or could not take more.
        using var source = await CreateContentReadStreamAsync(cancellationToken).ConfigureAwait(false);
        await source.CopyToAsync(stream, CopyBufferSize, cancellationToken).ConfigureAwait(false);
    }

    protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        using var source = CreateContentReadStream(cancellationToken);
        source.CopyTo(stream, CopyBufferSize);
    }

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken) =>
        new TrackedStream(_inner.ReadAsStream(cancellationToken), this);

    protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

    protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
        new TrackedStream(await _inner.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), this);

    // The length stands among the headers copied from the answer, when the answer told it.
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // First, because a read under way fails when the connection is taken from under it, and that is nobody's fault.
            GiveUp();
            _inner.Dispose();
            End(null);
        }

        base.Dispose(disposing);
    }
}
