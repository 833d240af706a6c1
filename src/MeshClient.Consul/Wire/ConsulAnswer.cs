using System.Buffers;
using MeshClient.Core.Intentions;

namespace MeshClient.Consul.Wire;

/// <summary>
/// A successful answer. The body lives in a pooled buffer that is cleared when it goes back, because some bodies hold a
/// private key.
/// </summary>
internal sealed class ConsulAnswer(string call, byte[] buffer, int length) : IDisposable
{
    private byte[]? _buffer = buffer;

    /// <summary>Method and path, for messages.</summary>
    public string Call { get; } = call;

    /// <summary>The index the answer carried; null when it carried none, or 0, or something that is no number.</summary>
    public ulong? Index { get; init; }

    /// <summary>The default action for intentions, when the answer told it.</summary>
    public IntentionAction? DefaultAction { get; init; }

    /// <summary>Whether the server left things out because the token does not give the right to see them (Consul 1.11 and later).</summary>
    public bool IsFiltered { get; init; }

    public ReadOnlySpan<byte> Body => (_buffer ?? throw new ObjectDisposedException(nameof(ConsulAnswer))).AsSpan(0, length);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { } owned)
        {
            ArrayPool<byte>.Shared.Return(owned, clearArray: true);
        }
    }
}
