using System.Text.Json;

namespace MeshClient.Consul.Tests.Fakes;

/// <summary>Entries of Consul's health lists, as JSON.</summary>
internal static class HealthJson
{
    public static string List(params object[] entries) => JsonSerializer.Serialize(entries);

    public static object Native(string name, string id, int port = 8080, string node = "n1", string status = "passing") =>
        Entry(name, id, port, node, status, kind: "", new { Native = true }, new { });

    public static object Plain(string name, string id, int port = 8080, string node = "n1") =>
        Entry(name, id, port, node, "passing", kind: "", new { }, new { });

    public static object Proxy(string destination, string? destinationId, string id, int port = 21000, string node = "n1") => Entry(
        $"{destination}-sidecar-proxy", id, port, node, "passing", "connect-proxy", new { },
        new { DestinationServiceName = destination, DestinationServiceID = destinationId });

    private static object Entry(string name, string id, int port, string node, string status, string kind, object connect, object proxy) => new
    {
        Node = new { Node = node, Address = "10.0.0.1", Datacenter = "dc1" },
        Service = new
        {
            Kind = kind,
            ID = id,
            Service = name,
            Tags = Array.Empty<string>(),
            Address = "10.0.0.2",
            Meta = new { },
            Port = port,
            Weights = new { Passing = 1, Warning = 1 },
            Proxy = proxy,
            Connect = connect,
        },
        Checks = new[] { new { CheckID = "serfHealth", Status = "passing" }, new { CheckID = $"service:{id}", Status = status } },
    };
}
