using MeshClient.Consul;

namespace MeshClient.Configuration;

/// <summary>Where the registry and certificate authority are: a MeshClient.Server or a Consul agent.</summary>
public sealed class MeshControlPlaneOptions
{
    /// <summary>
    /// The address of its HTTP API: <c>http://127.0.0.1:8500</c> or <c>127.0.0.1:8500</c>. Null: what the environment
    /// variable <c>CONSUL_HTTP_ADDR</c> says; without that there is no control plane and only services of the section
    /// <c>Services</c> are known. Default: null.
    /// </summary>
    public string? Address { get; set; }

    /// <summary>The token shown to it. Null: what <c>CONSUL_HTTP_TOKEN</c> says, or none. Default: null.</summary>
    public string? Token { get; set; }

    /// <summary>
    /// A PEM file of the roots that an <c>https</c> control plane is known by. Null: what <c>CONSUL_CACERT</c> says, else the
    /// machine's own roots. Default: null.
    /// </summary>
    public string? CaFile { get; set; }

    /// <summary>The datacenter to look in. Null: the one the agent is in. Default: null.</summary>
    public string? Datacenter { get; set; }

    /// <summary>
    /// How many long polls are held open at once; with more services than this they take turns. 1 to 180 (Consul resets the
    /// 201st connection of a client). Default: 64.
    /// </summary>
    public int MaxParkedQueries { get; set; } = new ConsulOptions().MaxParkedQueries;

    /// <summary>The same as options of the adapter, which knows what of them is good.</summary>
    /// <exception cref="FormatException">The address is none.</exception>
    internal ConsulOptions ToConsulOptions()
    {
        var options = new ConsulOptions { Token = Token, CaFile = CaFile, Datacenter = Datacenter, MaxParkedQueries = MaxParkedQueries };
        if (Address is not null)
        {
            options.Address = ConsulAddress.Parse(Address);
        }

        return options;
    }
}
