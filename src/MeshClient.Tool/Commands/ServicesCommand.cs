using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>services</c>: what is registered, and how much of it is well.</summary>
internal static class ServicesCommand
{
    /// <summary>How many services are asked about at a time.</summary>
    private const int Parallelism = 8;

    public static Command Build(SharedOptions shared) => Verbs.Create(
        shared, "services", "Lists the services, with how many instances of each are passing, warning and critical.", [],
        async (_, registry, output, cancellationToken) =>
        {
            var listed = (await registry.GetAsync("v1/catalog/services", cancellationToken).ConfigureAwait(false)).Json() as JsonObject ?? [];
            var names = listed.Select(pair => pair.Key).Order(StringComparer.Ordinal).ToList();
            var found = new JsonObject[names.Count];
            await Parallel.ForAsync(
                0, names.Count, new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken },
                async (i, stop) => found[i] = await ReadAsync(registry, names[i], listed, stop).ConfigureAwait(false)).ConfigureAwait(false);
            output.Table(
                new JsonArray([.. found]),
                "No service is registered.",
                ["Service", "Passing", "Warning", "Critical", "Tags"],
                [.. found.Select(service => (string[])
                [
                    service.Text("Name"), service.Text("Passing"), service.Text("Warning"), service.Text("Critical"), service.List("Tags"),
                ])]);
            return ExitCodes.Ok;
        });

    private static async Task<JsonObject> ReadAsync(
        RegistryConnection registry, string name, JsonObject listed, CancellationToken cancellationToken)
    {
        var entries = (await registry.GetAsync(RegistryPath.Of("v1/health/service/", name), cancellationToken).ConfigureAwait(false)).Objects();
        var statuses = entries.Select(InstanceHealth.Of).ToList();
        return new JsonObject
        {
            ["Name"] = name,
            ["Passing"] = statuses.Count(one => one == InstanceHealth.Passing),
            ["Warning"] = statuses.Count(one => one == InstanceHealth.Warning),
            ["Critical"] = statuses.Count(one => one is not InstanceHealth.Passing and not InstanceHealth.Warning),
            ["Tags"] = listed[name]?.DeepClone(),
        };
    }
}
