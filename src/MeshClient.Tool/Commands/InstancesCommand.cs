using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>instances</c>: the running copies of a service.</summary>
internal static class InstancesCommand
{
    public static Command Build(SharedOptions shared)
    {
        var service = new Argument<string>("service") { Description = "The service's name." };
        var passing = new Option<bool>("--passing") { Description = "Only those whose checks all pass." };
        var tag = new Option<string?>("--tag") { Description = "Only those with this tag.", HelpName = "tag" };
        var filter = new Option<string?>("--filter") { Description = "Only those that a filter expression selects, such as 'Service.Meta.zone == \"a\"'.", HelpName = "expression" };
        return Verbs.Create(
            shared, "instances", "Lists the instances of a service: where they are, how they are, whether they speak the mesh's mutual TLS.",
            [service, passing, tag, filter],
            async (parsed, registry, output, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(service);
                var path = RegistryPath.With(
                    RegistryPath.Of("v1/health/service/", name),
                    ("passing", parsed.GetValue(passing) ? string.Empty : null),
                    ("tag", parsed.GetValue(tag)),
                    ("filter", parsed.GetValue(filter)));
                var answer = await registry.GetAsync(path, cancellationToken).ConfigureAwait(false);
                var entries = answer.Objects().ToList();
                output.Table(
                    answer.Json(),
                    $"No instance of '{name}' is registered, or none that was asked for.",
                    ["Instance", "Node", "Address", "Health", "Mesh", "Weight", "Tags", "Why"],
                    [.. entries.Select(Row)]);
                return entries.Count > 0 ? ExitCodes.Ok : ExitCodes.NotFound;
            });
    }

    /// <summary>Where an entry of <c>health/service</c> is reached.</summary>
    public static string AddressOf(JsonObject entry)
    {
        var own = entry.Text("Service", "Address");
        var host = own.Length > 0 ? own : entry.Text("Node", "Address");
        return host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{entry.Text("Service", "Port")}" : $"{host}:{entry.Text("Service", "Port")}";
    }

    private static string[] Row(JsonObject entry) =>
    [
        entry.Text("Service", "ID"),
        entry.Text("Node", "Node"),
        AddressOf(entry),
        InstanceHealth.Of(entry),
        Mesh(entry),
        entry.Text("Service", "Weights", "Passing"),
        entry.List("Service", "Tags"),
        InstanceHealth.Reason(entry),
    ];

    private static string Mesh(JsonObject entry) =>
        entry.Flag("Service", "Connect", "Native") ? "native"
        : entry.Text("Service", "Kind") == "connect-proxy" ? $"proxy of {entry.Text("Service", "Proxy", "DestinationServiceName")}"
        : "no";
}
