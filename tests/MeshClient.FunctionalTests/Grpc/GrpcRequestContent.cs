using System.Net;
using System.Net.Http.Headers;
using System.Threading.Channels;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>A request body that is written message by message, while the answer is already being read.</summary>
internal sealed class GrpcRequestContent : HttpContent
{
    private readonly Channel<Writing> _messages = Channel.CreateUnbounded<Writing>();

    public GrpcRequestContent() => Headers.ContentType = new MediaTypeHeaderValue("application/grpc");

    /// <summary>Writes a message; done when it has been handed to the connection.</summary>
    public Task WriteAsync(ReadOnlyMemory<byte> message)
    {
        var writing = new Writing(message);
        Assert.True(_messages.Writer.TryWrite(writing));
        return writing.Done.Task;
    }

    /// <summary>Says that no more messages follow.</summary>
    public void Complete() => _messages.Writer.TryComplete();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The head of the request goes out by this, before there is a message.
        await stream.FlushAsync(cancellationToken);
        await foreach (var writing in _messages.Reader.ReadAllAsync(cancellationToken))
        {
            try
            {
                await GrpcFrame.WriteAsync(stream, writing.Message, cancellationToken);
                writing.Done.SetResult();
            }
            catch (Exception e)
            {
                writing.Done.SetException(e);
                throw;
            }
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    private sealed record Writing(ReadOnlyMemory<byte> Message)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
