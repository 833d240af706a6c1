using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>config</c>: the central config entries.</summary>
internal static class ConfigCommands
{
    public static Command Build(SharedOptions shared) => Verbs.Group(
        "config", "Config entries (service-defaults, service-router, service-intentions, ...): read, write, list, delete.",
        Read(shared), Write(shared), List(shared), Delete(shared));

    private static Argument<string> Kind()
    {
        var kind = new Argument<string>("kind") { Description = "The entry's kind, such as service-router." };
        kind.CompletionSources.Add(
            "proxy-defaults", "service-defaults", "service-router", "service-splitter", "service-resolver", "service-intentions");
        return kind;
    }

    private static Argument<string> EntryName() => new("name") { Description = "The entry's name: that of its service, or 'global'." };

    private static Option<ulong?> Cas() => new("--cas") { Description = "Only if the entry is unchanged since this index; 0: only if there is none.", HelpName = "index" };

    private static string PathOf(string kind, string name) => $"v1/config/{Uri.EscapeDataString(kind)}/{Uri.EscapeDataString(name)}";

    private static Command Read(SharedOptions shared)
    {
        var kind = Kind();
        var name = EntryName();
        return Verbs.Create(
            shared, "read", "Prints an entry, as JSON that 'config write' takes.", [kind, name],
            async (parsed, registry, output, cancellationToken) =>
            {
                var answer = await registry.GetAsync(
                    PathOf(parsed.GetRequiredValue(kind), parsed.GetRequiredValue(name)), cancellationToken).ConfigureAwait(false);
                output.Json(answer.Json());
                return ExitCodes.Ok;
            });
    }

    private static Command Write(SharedOptions shared)
    {
        var file = new Argument<string>("file") { Description = "A JSON file with the entry; '-' reads standard input." };
        var cas = Cas();
        return Verbs.Create(
            shared, "write", "Makes or replaces an entry, after the registry has checked that every service still has a way.", [file, cas],
            async (parsed, registry, output, cancellationToken) =>
            {
                var entry = InputFile.ReadObject(parsed.GetRequiredValue(file));
                var path = RegistryPath.With("v1/config", ("cas", parsed.GetValue(cas)?.ToString(CultureInfo.InvariantCulture)));
                var answer = await registry.PutAsync(path, entry, cancellationToken).ConfigureAwait(false);
                var named = $"{Part(entry, "Kind")}/{Part(entry, "Name")}";
                if (!answer.Text.Contains("true", StringComparison.Ordinal))
                {
                    throw new ToolException(ExitCodes.Failed, $"{named} was not written: it has changed since index {parsed.GetValue(cas)}.");
                }

                output.Done($"{named} written.", new JsonObject { ["Kind"] = Part(entry, "Kind"), ["Name"] = Part(entry, "Name") });
                return ExitCodes.Ok;
            });
    }

    private static Command List(SharedOptions shared)
    {
        var kind = Kind();
        return Verbs.Create(
            shared, "list", "Lists the entries of a kind.", [kind],
            async (parsed, registry, output, cancellationToken) =>
            {
                var answer = await registry.GetAsync(RegistryPath.Of("v1/config/", parsed.GetRequiredValue(kind)), cancellationToken).ConfigureAwait(false);
                output.Table(
                    answer.Json(),
                    $"There is no entry of kind '{parsed.GetRequiredValue(kind)}'.",
                    ["Kind", "Name", "Index"],
                    [.. answer.Objects().Select(one => (string[])[one.Text("Kind"), one.Text("Name"), one.Text("ModifyIndex")])]);
                return ExitCodes.Ok;
            });
    }

    private static Command Delete(SharedOptions shared)
    {
        var kind = Kind();
        var name = EntryName();
        var cas = Cas();
        return Verbs.Create(
            shared, "delete", "Deletes an entry, unless others need it; one that is not there is no error.", [kind, name, cas],
            async (parsed, registry, output, cancellationToken) =>
            {
                var named = $"{parsed.GetRequiredValue(kind)}/{parsed.GetRequiredValue(name)}";
                var path = RegistryPath.With(
                    PathOf(parsed.GetRequiredValue(kind), parsed.GetRequiredValue(name)),
                    ("cas", parsed.GetValue(cas)?.ToString(CultureInfo.InvariantCulture)));
                var answer = await registry.DeleteAsync(path, cancellationToken).ConfigureAwait(false);
                if (answer.Text == "false")
                {
                    throw new ToolException(ExitCodes.Failed, $"{named} was not deleted: it has changed since index {parsed.GetValue(cas)}.");
                }

                output.Done($"{named} deleted.");
                return ExitCodes.Ok;
            });
    }

    // Registries take the keys of entries in any case.
    private static string Part(JsonObject entry, string name) =>
        entry.FirstOrDefault(pair => string.Equals(pair.Key, name, StringComparison.OrdinalIgnoreCase)).Value.Text();
}
