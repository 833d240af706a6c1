using System.Buffers.Binary;
using System.Text;

namespace MeshClient.Health;

/// <summary>
/// The two messages of the gRPC health checking protocol (grpc/grpc-proto, grpc/health/v1/health.proto) as they go over the
/// wire, each in its frame: <c>HealthCheckRequest { string service = 1; }</c> and
/// <c>HealthCheckResponse { ServingStatus status = 1; }</c>. Two fields are no reason for a package.
/// </summary>
internal static class GrpcHealthCheck
{
    public const string Path = "/grpc.health.v1.Health/Check";

    /// <summary>More than a status takes.</summary>
    public const int MaxAnswer = 4096;

    private const int FrameHeader = 5;
    private const byte ServiceField = (1 << 3) | 2;
    private const ulong StatusField = 1 << 3;
    private const ulong Serving = 1;

    /// <summary>The question about a service.</summary>
    public static byte[] Request(string service)
    {
        var name = Encoding.UTF8.GetBytes(service);
        var message = new List<byte>();
        if (name.Length > 0)
        {
            message.Add(ServiceField);
            for (var length = (uint)name.Length; ; length >>= 7)
            {
                message.Add((byte)(length < 0x80 ? length : (length & 0x7F) | 0x80));
                if (length < 0x80)
                {
                    break;
                }
            }

            message.AddRange(name);
        }

        var frame = new byte[FrameHeader + message.Count];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Count);
        message.CopyTo(frame, FrameHeader);
        return frame;
    }

    /// <summary>Whether an answer says SERVING. Anything that cannot be read does not.</summary>
    public static bool IsServing(ReadOnlySpan<byte> answer)
    {
        // The first byte tells of compression, which nobody asked for.
        if (answer.Length < FrameHeader || answer[0] != 0
            || BinaryPrimitives.ReadUInt32BigEndian(answer[1..]) != (uint)(answer.Length - FrameHeader))
        {
            return false;
        }

        var message = answer[FrameHeader..];
        var status = 0UL;
        while (!message.IsEmpty)
        {
            if (!TryReadNumber(ref message, out var tag))
            {
                return false;
            }

            if (tag == StatusField)
            {
                if (!TryReadNumber(ref message, out status))
                {
                    return false;
                }
            }
            else if (!TrySkip(ref message, (int)(tag & 7)))
            {
                return false;
            }
        }

        return status == Serving;
    }

    private static bool TrySkip(ref ReadOnlySpan<byte> message, int wireType)
    {
        ulong length;
        switch (wireType)
        {
            case 0:
                return TryReadNumber(ref message, out _);
            case 1:
                length = 8;
                break;
            case 2:
                if (!TryReadNumber(ref message, out length))
                {
                    return false;
                }

                break;
            case 5:
                length = 4;
                break;
            default:
                return false;
        }

        if (length > (ulong)message.Length)
        {
            return false;
        }

        message = message[(int)length..];
        return true;
    }

    private static bool TryReadNumber(ref ReadOnlySpan<byte> message, out ulong number)
    {
        number = 0;
        for (var i = 0; i < message.Length && i < 10; i++)
        {
            number |= (ulong)(message[i] & 0x7F) << (7 * i);
            if (message[i] < 0x80)
            {
                message = message[(i + 1)..];
                return true;
            }
        }

        return false;
    }
}
