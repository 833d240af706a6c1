using System.Net.Sockets;
using System.Security.Authentication;

namespace MeshClient.Server.HealthChecks;

/// <summary>Why a connection could not be made, in the words people know from Consul, which are those of Go.</summary>
internal static class ProbeErrorText
{
    public const string TimedOut = "context deadline exceeded";

    public static string Of(Exception exception, string address)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case SocketException socket:
                    return $"dial tcp {address}: {Of(socket)}";
                case AuthenticationException:
                    return $"tls: {e.Message}";
                case OperationCanceledException:
                    return TimedOut;
            }
        }

        return exception.Message;
    }

    private static string Of(SocketException exception) => exception.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "connect: connection refused",
        SocketError.TimedOut => "i/o timeout",
        SocketError.HostNotFound or SocketError.NoData => "no such host",
        SocketError.NetworkUnreachable => "connect: network is unreachable",
        SocketError.HostUnreachable => "connect: no route to host",
        SocketError.ConnectionReset => "connection reset by peer",
        _ => exception.Message,
    };
}
