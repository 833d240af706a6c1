namespace MeshClient.Transport;

/// <summary>A connection was closed before anything was sent on it but how it is to be used: whatever was to go over it has not left.</summary>
internal sealed class UnusedConnectionException(Exception? innerException)
    : IOException("The connection was closed before a request was sent on it.", innerException);
