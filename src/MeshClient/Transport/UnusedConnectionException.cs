namespace MeshClient.Transport;

/// <summary>A connection ended before anything was sent on it but how it is to be used: whatever was to go over it has not left.</summary>
internal sealed class UnusedConnectionException(Exception? innerException)
    : IOException("The peer closed the connection, or asked for that, before a request was sent on it", innerException);
