using System.Net.Sockets;

namespace MeshClient.Transport;

/// <summary>
/// Has the system find out about peers that are gone without a word, on connections that may say nothing for hours: 30 s of
/// silence and three unanswered questions 10 s apart, so a minute. HTTP/2 asks by itself.
/// </summary>
internal static class KeepAlive
{
    private const int SilenceSeconds = 30;
    private const int IntervalSeconds = 10;
    private const int Questions = 3;

    public static void Ask(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, SilenceSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, IntervalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Questions);
    }
}
