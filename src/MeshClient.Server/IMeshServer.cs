namespace MeshClient.Server;

/// <summary>A running registry and certificate authority.</summary>
public interface IMeshServer
{
    /// <summary>
    /// Where its own listener is bound, with the port it really got.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// It has none: before the start, after the stop, or because an app has mapped its endpoints and serves them itself.
    /// </exception>
    Uri Address { get; }
}
