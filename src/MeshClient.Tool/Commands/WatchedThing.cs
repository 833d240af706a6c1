using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary>Something that can be followed: where it is read, and what of it is shown.</summary>
/// <param name="Path">The path of the query.</param>
/// <param name="Read">Its parts by name, and the state of each as a text.</param>
internal sealed record WatchedThing(string Path, Func<RegistryAnswer, SortedDictionary<string, string>> Read)
{
    public static WatchedThing Services(ParseResult _) => new("v1/catalog/services", answer => Sorted(
        (answer.Json() as JsonObject ?? []).Select(pair => (pair.Key, ((JsonNode)new JsonObject { ["Tags"] = pair.Value?.DeepClone() }).List("Tags")))));

    public static WatchedThing Instances(string service) => new(
        RegistryPath.Of("v1/health/service/", service),
        answer => Sorted(answer.Objects().Select(entry => (
            entry.Text("Service", "ID"),
            $"{InstancesCommand.AddressOf(entry)}  {InstanceHealth.Of(entry)}  {InstanceHealth.Reason(entry)}".TrimEnd()))));

    public static WatchedThing Intentions(ParseResult _) => new(
        "v1/connect/intentions",
        answer => Sorted(answer.Objects().Select(one => (
            new IntentionPair(one.Text("SourceName"), one.Text("DestinationName")).ToString(), IntentionsCommands.Action(one)))));

    public static WatchedThing Keys(string prefix) => new(
        RegistryPath.With(RegistryPath.OfKey("v1/kv/", prefix), ("recurse", string.Empty)),
        answer => Sorted(answer.IsSuccess ? answer.Objects().Select(one => (one.Text("Key"), $"index {one.Text("ModifyIndex")}")) : []));

    public static WatchedThing Roots(ParseResult _) => new(
        "v1/connect/ca/roots",
        answer => Sorted(answer.Json().Objects("Roots").Select(root => (
            root.Text("ID"), $"{root.Text("Name")}  {(root.Flag("Active") ? "active" : "trusted")}  until {root.Text("NotAfter")}"))));

    private static SortedDictionary<string, string> Sorted(IEnumerable<(string Name, string State)> parts)
    {
        var sorted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, state) in parts)
        {
            // Ids are unique on a node only.
            sorted[sorted.ContainsKey(name) ? $"{name} ({sorted.Count})" : name] = state;
        }

        return sorted;
    }
}
