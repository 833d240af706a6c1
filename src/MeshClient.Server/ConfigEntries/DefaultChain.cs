using System.Text.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>What a caller of the discovery chain wants otherwise.</summary>
/// <param name="ConnectTimeout">Replaces the time-out of connecting; null: as it is.</param>
/// <param name="Protocol">Replaces the protocol; empty: as it is.</param>
/// <param name="MeshGatewayMode">Replaces the way through gateways; empty: as it is.</param>
internal sealed record ChainOverrides(string? ConnectTimeout, string Protocol, string MeshGatewayMode)
{
    public static readonly ChainOverrides None = new(null, string.Empty, string.Empty);

    public bool Any => this != None;
}

/// <summary>
/// The discovery chain of a service no config entry speaks about: one resolver that leads to the service itself. Config
/// entries cannot be written yet, so every chain is this one.
/// </summary>
internal sealed record DefaultChain(string Service, string Datacenter, string TrustDomain, ChainOverrides Overrides)
{
    /// <summary>How long connecting may take when nobody says otherwise (Consul's default).</summary>
    private const string DefaultConnectTimeout = "5s";

    public void Write(Utf8JsonWriter writer)
    {
        var id = $"{Service}.default.{Datacenter}";
        var name = $"{Service}.default.{Datacenter}.internal.{TrustDomain}";
        writer.WriteStartObject();
        writer.WriteStartObject("Chain");
        writer.WriteString("ServiceName", Service);
        writer.WriteString("Namespace", "default");
        writer.WriteString(nameof(Datacenter), Datacenter);
        if (Overrides.Any)
        {
            writer.WriteString("CustomizationHash", CustomizationHash());
        }

        writer.WriteBoolean("Default", true);
        writer.WriteString("Protocol", Overrides.Protocol.Length > 0 ? Overrides.Protocol : "tcp");
        writer.WriteString("StartNode", $"resolver:{id}");
        writer.WriteStartObject("Nodes");
        writer.WriteStartObject($"resolver:{id}");
        writer.WriteString("Type", "resolver");
        writer.WriteString("Name", id);
        writer.WriteStartObject("Resolver");
        writer.WriteString("ConnectTimeout", Overrides.ConnectTimeout ?? DefaultConnectTimeout);
        writer.WriteBoolean("Default", true);
        writer.WriteString("Target", id);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteStartObject("Targets");
        writer.WriteStartObject(id);
        writer.WriteString("ID", id);
        writer.WriteString(nameof(Service), Service);
        writer.WriteString("Namespace", "default");
        writer.WriteString(nameof(Datacenter), Datacenter);
        writer.WriteStartObject("MeshGateway");
        if (Overrides.MeshGatewayMode.Length > 0)
        {
            writer.WriteString("Mode", Overrides.MeshGatewayMode);
        }

        writer.WriteEndObject();
        writer.WriteStartObject("Subset");
        writer.WriteEndObject();
        writer.WriteString("SNI", name);
        writer.WriteString("Name", name);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    // Opaque eight hex digits that differ when the overrides do: FNV-1a, which needs no package.
    private string CustomizationHash()
    {
        const uint offset = 2166136261;
        const uint prime = 16777619;
        var hash = offset;
        foreach (var c in $"{Overrides.ConnectTimeout}\n{Overrides.Protocol}\n{Overrides.MeshGatewayMode}")
        {
            hash = (hash ^ c) * prime;
        }

        return hash.ToString("x8", System.Globalization.CultureInfo.InvariantCulture);
    }
}
