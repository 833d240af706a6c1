using MeshClient.Consul;

namespace MeshClient.Tool.Registry;

/// <summary>How a registry is reached.</summary>
/// <param name="Address">Its HTTP address.</param>
/// <param name="Token">The token shown to it; null: none.</param>
/// <param name="Datacenter">The datacenter asked about; null: the registry's own.</param>
/// <param name="Timeout">How long an answer may take.</param>
/// <param name="CaFile">PEM file of the roots that an https registry is known by; null: the machine's roots.</param>
internal sealed record RegistrySettings(Uri Address, string? Token, string? Datacenter, TimeSpan Timeout, string? CaFile)
{
    /// <summary>The same for the client that the services use.</summary>
    public ConsulOptions ToConsulOptions() =>
        new() { Address = Address, Token = Token, Datacenter = Datacenter, RequestTimeout = Timeout, CaFile = CaFile };
}
