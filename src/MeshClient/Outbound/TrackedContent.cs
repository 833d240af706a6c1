using System.Net;
using System.Net.Http.Headers;

namespace MeshClient.Outbound;

/// <summary>
/// An answer's content that tells when it has been read to the end, has failed or was disposed. Buffers nothing: it hands the
/// reader the connection's own stream, with a wrapper that watches for its end.
/// </summary>
internal sealed class TrackedContent : HttpContent
{
    private readonly HttpContent _inner;
    private readonly OutboundPipeline _pipeline;
    // Null: reading is not limited.
    private readonly ReadLimit? _limit;
    // Null: it has ended, and the attempt may be another call's.
    private OutboundAttempt? _attempt;
    private bool _givenUp;
    private bool _isOpened;
    private bool _hasBegun;

    public TrackedContent(HttpContent inner, OutboundPipeline pipeline, OutboundAttempt attempt)
    {
        _inner = inner;
        _pipeline = pipeline;
        _attempt = attempt;
        _limit = attempt.IsBodyLimited ? new ReadLimit(attempt) : null;
        AnswerHeaders.HandOver(inner, this);
    }

    /// <summary>Whether reading is limited by the ambient deadline.</summary>
    public bool IsLimited => _limit is not null;

    /// <summary>Whether there can be anything to wait for after the head of an answer.</summary>
    public static bool MayHaveBody(HttpResponseMessage response) =>
        response.RequestMessage?.Method != HttpMethod.Head
        && response.StatusCode is not (HttpStatusCode.NoContent or HttpStatusCode.NotModified)
        && !IsEmpty(response.Content.Headers);

    /// <summary>The reader wants no more: what fails from here on is its own doing.</summary>
    public void GiveUp() => Volatile.Write(ref _givenUp, true);

    /// <summary>A read has to wait. Since when, matters for the first byte only, and only to a deadline.</summary>
    public void Wait()
    {
        if (!_hasBegun && _limit is { Attempt: var attempt })
        {
            attempt.WaitingSince = _pipeline.Time.GetTimestamp();
        }
    }

    /// <summary>It waits no more, though it has taken nothing.</summary>
    public void StopWaiting()
    {
        if (_limit is { Attempt: var attempt })
        {
            attempt.WaitingSince = 0;
        }
    }

    /// <summary>Something of the body has been read.</summary>
    public void Begin() => _hasBegun = true;

    /// <summary>Says that the body has come to its end, one way or another. Only the first time counts.</summary>
    public void End(Exception? failure)
    {
        // Looked at first, since nearly every answer is read to the end and disposed afterwards.
        if (Volatile.Read(ref _attempt) is not null && Interlocked.Exchange(ref _attempt, null) is { } attempt)
        {
            // Before the timer it is linked to serves another attempt.
            _limit?.Dispose();
            _pipeline.BodyEnded(attempt, Volatile.Read(ref _givenUp) ? null : failure);
        }
    }

    /// <summary>What a read is to be cancelled by: its reader, and the deadline the answer is limited by, if there is one.</summary>
    public CancellationToken Limit(CancellationToken reader) => _limit is null ? reader : _limit.For(reader);

    /// <summary>A read has failed.</summary>
    /// <param name="failure">Why.</param>
    /// <param name="reader">What its reader would have cancelled it by.</param>
    /// <exception cref="MeshCallException">Because the deadline has passed.</exception>
    public void Fail(Exception failure, CancellationToken reader)
    {
        var limited = _limit?.Attempt;
        var stall = _hasBegun || limited is null ? null : StalledAnswer.Of(limited, this, failure, _pipeline.Time);
        if (reader.IsCancellationRequested)
        {
            // A reader that gives up is not the instance's failure. Where there is a deadline it is no success either, because the
            // reader's token and the deadline mostly go off together.
            End(stall ?? (limited is not null && failure is OperationCanceledException ? failure : null));
            return;
        }

        // Unless it is the app that has cancelled what it is still sending; but it may have cancelled what it had sent, and then the
        // deadline came. Asked first, since the timer goes with the end.
        var isLate = failure is OperationCanceledException
            && limited is { Timer.IsCancellationRequested: true, Call: var call }
            && (!call.Cancellation.IsCancellationRequested || _pipeline.Time.GetTimestamp() >= call.AmbientDeadlineAt);
        End(stall ?? failure);
        if (isLate)
        {
            throw CallFailure.Unread(limited!, failure);
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (_isOpened)
        {
            return SerializeRestAsync(stream, cancellationToken);
        }

        var destination = new WatchedDestination(stream);
        var limited = Limit(cancellationToken);
        Task copying;
        try
        {
            copying = _inner.CopyToAsync(destination, context, limited);
        }
        catch (Exception e)
        {
            copying = Task.FromException(e);
        }

        // A short answer has mostly come as a whole with its head, and then there is nothing to wait for.
        if (!copying.IsCompletedSuccessfully)
        {
            return WatchAsync(copying, destination, cancellationToken);
        }

        End(null);
        return copying;
    }

    protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (_isOpened || IsLimited)
        {
            using var source = CreateContentReadStream(cancellationToken);
            source.CopyTo(stream);
            return;
        }

        var destination = new WatchedDestination(stream);
        try
        {
            _inner.CopyTo(destination, context, cancellationToken);
        }
        catch (Exception e)
        {
            End(destination.HasFailed || cancellationToken.IsCancellationRequested ? null : e);
            throw;
        }

        End(null);
    }

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken)
    {
        _isOpened = true;
        return new TrackedStream(_inner.ReadAsStream(cancellationToken), this);
    }

    protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

    protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken)
    {
        _isOpened = true;
        return new TrackedStream(await _inner.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), this);
    }

    // The length stands among the headers of the answer, when the answer told it.
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

    // Somebody has begun to read; the rest is what is left.
    private async Task SerializeRestAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var source = await CreateContentReadStreamAsync(cancellationToken).ConfigureAwait(false);
        await source.CopyToAsync(stream, cancellationToken).ConfigureAwait(false);
    }

    private async Task WatchAsync(Task copying, WatchedDestination destination, CancellationToken reader)
    {
        _hasBegun = destination.HasBegun;
        Wait();
        try
        {
            await copying.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _hasBegun = destination.HasBegun;
            if (destination.HasFailed)
            {
                End(null);
            }
            else
            {
                Fail(e, reader);
            }

            throw;
        }

        End(null);
    }

    // Read as text where it is one: to parse it, for every answer, takes memory.
    private static bool IsEmpty(HttpContentHeaders headers) =>
        headers.NonValidated.TryGetValues("Content-Length", out var values) ? values.ToString() == "0" : headers.ContentLength == 0;

    // Apart, because few answers are read under a deadline.
    private sealed class ReadLimit(OutboundAttempt attempt) : IDisposable
    {
        private CancellationTokenSource? _either;
        private CancellationToken _reader;

        public OutboundAttempt Attempt => attempt;

        // By the deadline, and by a reader that has a token.
        public CancellationToken For(CancellationToken reader)
        {
            // The timer is gone when the body has come to its end.
            if (attempt.Timer is not { } timer)
            {
                return reader;
            }

            if (!reader.CanBeCanceled)
            {
                return timer.Token;
            }

            // Mostly each read has the same token.
            if (_either is null || _reader != reader)
            {
                _either?.Dispose();
                _either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, reader);
                _reader = reader;
            }

            return _either.Token;
        }

        public void Dispose() => _either?.Dispose();
    }
}
