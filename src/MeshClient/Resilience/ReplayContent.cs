using System.Buffers;
using System.Net;

namespace MeshClient.Resilience;

/// <summary>
/// A request's body that is kept while it is being sent for the first time, so that it can be sent again. Nothing is read
/// before it is sent, nothing is held back, and no more than the cap is kept: a body that is longer, or was not read to its end,
/// can be sent only once.
/// </summary>
internal sealed class ReplayContent : HttpContent
{
    private readonly int _cap;
    private volatile ArrayBufferWriter<byte>? _kept;
    private int _begun;

    /// <param name="inner">The app's content.</param>
    /// <param name="cap">How many bytes are kept at most.</param>
    public ReplayContent(HttpContent inner, int cap)
    {
        Inner = inner;
        _cap = cap;
        foreach (var header in inner.Headers.NonValidated)
        {
            Headers.TryAddWithoutValidation(header.Key, header.Value);
        }
    }

    public HttpContent Inner { get; }

    /// <summary>Whether it can be sent, for the first time or again.</summary>
    public bool CanBeSent => Volatile.Read(ref _begun) == 0 || _kept is not null;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _begun, 1) == 0)
        {
            // Known to be too long: not worth keeping the beginning.
            if (Inner.Headers.ContentLength > _cap)
            {
                await Inner.CopyToAsync(stream, context, cancellationToken).ConfigureAwait(false);
                return;
            }

            var keeping = new KeepingStream(stream, _cap);
            await Inner.CopyToAsync(keeping, context, cancellationToken).ConfigureAwait(false);
            _kept = keeping.Kept;
            return;
        }

        await stream.WriteAsync(
            _kept?.WrittenMemory ?? throw new InvalidOperationException("The body was not kept, so it cannot be sent again."),
            cancellationToken).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        var known = Inner.Headers.ContentLength;
        length = known ?? 0;
        return known is not null;
    }

    // The inner content is the app's to dispose.

    /// <summary>Passes on what is written and keeps it.</summary>
    private sealed class KeepingStream(Stream inner, int cap) : Stream
    {
        private ArrayBufferWriter<byte>? _buffer = new();

        /// <summary>All that was written; null: it was too much.</summary>
        public ArrayBufferWriter<byte>? Kept => _buffer;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Keep(buffer.Span);
            await inner.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Keep(buffer);
            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        private void Keep(ReadOnlySpan<byte> bytes)
        {
            if (_buffer is null)
            {
                return;
            }

            if (_buffer.WrittenCount + bytes.Length > cap)
            {
                // Let go at once: a long body must not hold memory that is of no use.
                _buffer = null;
                return;
            }

            _buffer.Write(bytes);
        }
    }
}
