using System.Buffers.Binary;

namespace MeshClient.Server.Events;

/// <summary>An event somebody fired.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">Its name.</param>
/// <param name="Payload">What goes along.</param>
/// <param name="NodeFilter">Which nodes it is for, as a regular expression; empty: all.</param>
/// <param name="ServiceFilter">Which services it is for, likewise.</param>
/// <param name="TagFilter">Which tags it is for, likewise.</param>
/// <param name="Time">Its number in the order of events.</param>
internal sealed record UserEvent(
    Guid Id, string Name, byte[] Payload, string NodeFilter, string ServiceFilter, string TagFilter, ulong Time)
{
    /// <summary>The index of a list that ends with it: the halves of the id, exclusive or (as in Consul). Not in any order.</summary>
    public ulong Index
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            Id.TryWriteBytes(bytes, bigEndian: true, out _);
            var index = BinaryPrimitives.ReadUInt64BigEndian(bytes) ^ BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
            return Math.Max(1, index);
        }
    }
}
