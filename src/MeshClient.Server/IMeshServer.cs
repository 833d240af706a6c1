namespace MeshClient.Server;

/// <summary>A running registry and certificate authority.</summary>
public interface IMeshServer
{
    /// <summary>
    /// Where its own listener is bound, with the port it really got: for plain HTTP when it listens for both.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// It has none: before the start, after the stop, or because an app has mapped its endpoints and serves them itself.
    /// </exception>
    Uri Address { get; }

    /// <summary>Where its own listener is bound for HTTPS, with the port it really got; null: it has none, or is not started.</summary>
    Uri? HttpsAddress { get; }
}
