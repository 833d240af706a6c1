using System.Buffers;
using System.IO.Pipelines;
using MeshClient.Forwarders;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Connections;

/// <summary>A connection accepted from the mesh, as an end of a relay.</summary>
internal sealed class AcceptedEnd(ConnectionContext connection) : IDuplexEnd
{
    private readonly PipeReader _input = connection.Transport.Input;
    private readonly PipeWriter _output = connection.Transport.Output;

    public async ValueTask<int> ReadAsync(Memory<byte> buffer)
    {
        var result = await _input.ReadAsync().ConfigureAwait(false);
        var length = (int)Math.Min(buffer.Length, result.Buffer.Length);
        var taken = result.Buffer.Slice(0, length);
        taken.CopyTo(buffer.Span);
        _input.AdvanceTo(taken.End);
        return length;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer)
    {
        var result = await _output.WriteAsync(buffer).ConfigureAwait(false);
        if (result.IsCompleted || result.IsCanceled)
        {
            throw new IOException("The connection has ended.");
        }
    }

    public ValueTask CloseWriteAsync() => _output.CompleteAsync();

    public void Abort() => connection.Abort(new ConnectionAbortedException("The other side of the relay broke."));

    // The server's to dispose.
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
