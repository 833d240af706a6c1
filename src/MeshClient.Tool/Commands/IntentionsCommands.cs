using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Core.Intentions;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Output;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>intentions</c>: who may call whom.</summary>
internal static class IntentionsCommands
{
    public static Command Build(SharedOptions shared) => Verbs.Group(
        "intentions", "Who may call whom: list, allow, deny, check with the reason, delete.",
        List(shared),
        Set(shared, "allow", "Lets a service call another. '*' stands for any service."),
        Set(shared, "deny", "Forbids a service to call another. '*' stands for any service."),
        IntentionCheckCommand.Build(shared),
        Delete(shared));

    public static Argument<string> Source() => new("source") { Description = "The calling service, or '*' for any." };

    public static Argument<string> Destination() => new("destination") { Description = "The called service, or '*' for any." };

    private static Command List(SharedOptions shared)
    {
        var service = new Option<string?>("--service") { Description = "Only those that name this service, as source or destination.", HelpName = "name" };
        return Verbs.Create(
            shared, "list", "Lists the intentions, the one that decides first on top.", [service],
            async (parsed, registry, output, cancellationToken) =>
            {
                var name = parsed.GetValue(service);
                var all = (await registry.GetAsync("v1/connect/intentions", cancellationToken).ConfigureAwait(false)).Objects()
                    .Where(one => name is null || one.Text("SourceName") == name || one.Text("DestinationName") == name)
                    .ToList();
                output.Table(
                    new JsonArray([.. all.Select(one => one.DeepClone())]),
                    "There is no intention.",
                    ["Source", "Destination", "Action", "Precedence", "Id", "Description"],
                    [.. all.Select(one => (string[])
                    [
                        one.Text("SourceName"),
                        one.Text("DestinationName"),
                        Action(one),
                        one.Text("Precedence"),
                        one.Text("ID"),
                        one.Text("Description"),
                    ])]);
                return ExitCodes.Ok;
            });
    }

    /// <summary>What an intention says, for people.</summary>
    public static string Action(JsonObject intention)
    {
        var permissions = intention.Objects("Permissions").Count();
        var action = permissions > 0 ? $"{permissions} permission{(permissions == 1 ? string.Empty : "s")}" : intention.Text("Action");
        var mode = (intention["Meta"] as JsonObject)?.Text(IntentionModeMeta.Key);
        return IntentionModeMeta.TryParse(mode, out var known) && known == IntentionMode.Shadow ? $"{action} (shadow)" : action;
    }

    private static Command Set(SharedOptions shared, string action, string description)
    {
        var source = Source();
        var destination = Destination();
        var note = new Option<string?>("--description") { Description = "What it is for.", HelpName = "text" };
        var shadow = new Option<bool>("--shadow") { Description = "Only tries it: services of MeshClient report what it would refuse, and refuse and open nothing by it. Sidecars enforce it." };
        return Verbs.Create(
            shared, action, description, [source, destination, note, shadow],
            async (parsed, registry, output, cancellationToken) =>
            {
                var pair = new IntentionPair(parsed.GetRequiredValue(source), parsed.GetRequiredValue(destination));
                var mode = parsed.GetValue(shadow) ? IntentionMode.Shadow : IntentionMode.Enforce;
                await new IntentionWriter(registry).SetAsync(pair, action, parsed.GetValue(note), mode, cancellationToken).ConfigureAwait(false);
                output.Done(
                    $"{pair}: {action}{(mode == IntentionMode.Shadow ? ", in shadow mode" : string.Empty)}.",
                    new JsonObject
                    {
                        ["SourceName"] = pair.Source,
                        ["DestinationName"] = pair.Destination,
                        ["Action"] = action,
                        ["Mode"] = mode == IntentionMode.Shadow ? IntentionModeMeta.Shadow : IntentionModeMeta.Enforce,
                    });
                return ExitCodes.Ok;
            });
    }

    private static Command Delete(SharedOptions shared)
    {
        var source = Source();
        var destination = Destination();
        return Verbs.Create(
            shared, "delete", "Takes an intention back; what is less exact, or the default, decides again.", [source, destination],
            async (parsed, registry, output, cancellationToken) =>
            {
                var pair = new IntentionPair(parsed.GetRequiredValue(source), parsed.GetRequiredValue(destination));
                await new IntentionWriter(registry).DeleteAsync(pair, cancellationToken).ConfigureAwait(false);
                output.Done($"{pair}: deleted.");
                return ExitCodes.Ok;
            });
    }
}
