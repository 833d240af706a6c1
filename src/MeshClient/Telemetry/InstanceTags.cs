namespace MeshClient.Telemetry;

/// <summary>What figures and spans tell of an instance, made when one is recorded for the first time.</summary>
/// <param name="port">Its port.</param>
internal sealed class InstanceTags(int port)
{
    /// <summary>The port as an object.</summary>
    public object Port { get; } = port;

    /// <summary>The tags of its good attempts.</summary>
    public KeptTags Good { get; } = new();
}
