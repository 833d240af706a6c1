namespace MeshClient.Server;

/// <summary>A running registry and certificate authority.</summary>
public interface IMeshServer
{
    /// <summary>
    /// Where its own listener is bound, with the port it really got; null before the start and after the stop, and when it has
    /// none because an app has mapped its endpoints.
    /// </summary>
    Uri? Address { get; }
}
