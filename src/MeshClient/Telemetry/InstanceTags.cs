namespace MeshClient.Telemetry;

/// <summary>What is kept for figures and spans of an instance, made when one is recorded for the first time.</summary>
/// <param name="port">Its port.</param>
internal sealed class InstanceTags(int port)
{
    // Attempts are told apart by their status only.
    private const int MostKept = 4;

    /// <summary>The port as an object.</summary>
    public object Port { get; } = port;

    /// <summary>The tags of its good attempts.</summary>
    public KeptTags Good { get; } = new(MostKept);
}
