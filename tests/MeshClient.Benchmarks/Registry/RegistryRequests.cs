using System.Globalization;

namespace MeshClient.Benchmarks.Registry;

/// <summary>The requests of the load: an instance has an address, two tags, one pair of metadata and a passing TTL check.</summary>
internal static class RegistryRequests
{
    /// <summary>The first so many registrations in the catalog make a node each.</summary>
    public const int Nodes = 100;

    private const int InstancesPerName = 10;

    /// <summary>Registers the n-th instance, ten to a name, at the agent.</summary>
    public static byte[] RegisterNumber(int number) => Register(Id(number), Name(number), 1000 + (number % 60_000));

    public static byte[] Register(string id, string name, int port) => RawConnection.Request(
        "PUT",
        "/v1/agent/service/register",
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"ID":"{{id}}","Name":"{{name}}","Address":"127.0.0.1","Port":{{port}},"Tags":["v1","http"],"Meta":{"zone":"a"},"Check":{"TTL":"600s","Status":"passing"} }"""));

    /// <summary>Registers the n-th instance in the catalog, on one of a hundred nodes.</summary>
    public static byte[] CatalogRegister(int number) => RawConnection.Request(
        "PUT",
        "/v1/catalog/register",
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"Node":"node-{{number % Nodes}}","Address":"127.0.0.1","SkipNodeUpdate":{{(number < Nodes ? "false" : "true")}},"Service":{"ID":"cat-{{number}}","Service":"cat-{{number / InstancesPerName}}","Address":"127.0.0.1","Port":{{1000 + (number % 60_000)}},"Tags":["v1","http"],"Meta":{"zone":"a"} },"Check":{"CheckID":"service:cat-{{number}}","Name":"up","Status":"passing","ServiceID":"cat-{{number}}"} }"""));

    public static byte[] PutKey(int number) => RawConnection.Request(
        "PUT", $"/v1/kv/bench/{number % 1000}", $"the value of write {number}, about fifty bytes long in all");

    public static byte[] ReadService(int number) => RawConnection.Request("GET", $"/v1/health/service/{Name(number)}?passing");

    public static byte[] ReadWide(int number) => RawConnection.Request("GET", $"/v1/health/service/wide-{number % 5}?passing");

    /// <summary>One of a hundred instances of one of five names.</summary>
    public static byte[] RegisterWide(int number) => Register($"wide-{number}", $"wide-{number % 5}", 1000 + number);

    /// <summary>A certificate that was never issued before.</summary>
    public static byte[] Leaf(int number, int run) => RawConnection.Request("GET", $"/v1/agent/connect/ca/leaf/leaf-{run}-{number}");

    private static string Id(int number) => $"svc-{number}";

    private static string Name(int number) => $"name-{number / InstancesPerName}";
}
