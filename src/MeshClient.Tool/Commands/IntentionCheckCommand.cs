using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Consul;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Output;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary>
/// <c>intentions check</c>: whether a call would be allowed, and why. Decided here by the very evaluator that the services use,
/// from the intentions the registry gives, since registries answer with yes or no only and look at no request.
/// </summary>
internal static class IntentionCheckCommand
{
    public static Command Build(SharedOptions shared)
    {
        var source = new Argument<string>("source") { Description = "The calling service." };
        var destination = new Argument<string>("destination") { Description = "The called service." };
        var path = new Option<string?>("--path") { Description = "The request's path, for intentions about requests. Without it a bare connection is checked.", HelpName = "path" };
        var method = new Option<string>("--method") { Description = "The request's method.", HelpName = "method", DefaultValueFactory = _ => "GET" };
        var headers = new Option<string[]>("--header", "-H") { Description = "A header of the request, as 'name: value'; may be repeated.", HelpName = "header", DefaultValueFactory = _ => [] };
        return Verbs.Create(
            shared, "check", $"Says whether a call would be allowed, and why. Ends with {ExitCodes.Denied} when it would not.",
            [source, destination, path, method, headers],
            async (parsed, registry, output, cancellationToken) =>
            {
                var pair = new IntentionPair(parsed.GetRequiredValue(source), parsed.GetRequiredValue(destination));
                var snapshot = await ReadAsync(registry, pair, cancellationToken).ConfigureAwait(false);
                var evaluator = new IntentionEvaluator(snapshot, snapshot.DefaultAction ?? IntentionAction.Deny);
                var request = parsed.GetValue(path);
                var verdict = request is null
                    ? evaluator.EvaluateConnection(pair.Source)
                    : evaluator.EvaluateRequest(
                        pair.Source, parsed.GetRequiredValue(method), request, HeaderList.Parse(parsed.GetValue(headers) ?? []));
                Print(output, pair, verdict);
                return verdict.IsAllowed ? ExitCodes.Ok : ExitCodes.Denied;
            });
    }

    private static void Print(ToolOutput output, IntentionPair pair, IntentionVerdict verdict)
    {
        var word = verdict.IsAllowed ? "allowed" : "denied";
        output.Done(
            $"{pair}: {word}. {verdict.Reason}",
            new JsonObject
            {
                ["Source"] = pair.Source,
                ["Destination"] = pair.Destination,
                ["Allowed"] = verdict.IsAllowed,
                ["Rule"] = verdict.Rule,
                ["Reason"] = verdict.Reason,
            });
    }

    private static async Task<IntentionSnapshot> ReadAsync(RegistryConnection registry, IntentionPair pair, CancellationToken cancellationToken)
    {
        if (!ServiceName.TryParse(pair.Destination, out var destination))
        {
            throw new ToolException(ExitCodes.Usage, $"'{pair.Destination}' is not a service name: letters, digits, - _ and . are allowed.");
        }

        try
        {
            using var controlPlane = new ConsulControlPlane(registry.Settings.ToConsulOptions(), TimeProvider.System);
            var read = await controlPlane.ReadIntentionsAsync(destination, 0, cancellationToken).ConfigureAwait(false);
            return read.Value.DefaultAction is not null
                ? read.Value
                : read.Value with { DefaultAction = await AskForDefaultAsync(registry, read.Value, cancellationToken).ConfigureAwait(false) };
        }
        catch (ControlPlaneException e)
        {
            throw new ToolException(
                e.Failure switch
                {
                    ControlPlaneFailure.Forbidden => ExitCodes.Refused,
                    ControlPlaneFailure.Unreachable => ExitCodes.Unreachable,
                    _ => ExitCodes.Failed,
                },
                e.Message,
                e);
        }
    }

    // A registry that does not tell its default (Consul before 1.9) shows it in its answer about a pair that no intention speaks of.
    private static async Task<IntentionAction?> AskForDefaultAsync(
        RegistryConnection registry, IntentionSnapshot snapshot, CancellationToken cancellationToken)
    {
        if (snapshot.Intentions.Any(one => one.Source == Intention.Wildcard))
        {
            // Then one speaks of every pair, and the default matters only to permissions; what cannot be known does not allow.
            return null;
        }

        var stranger = $"nobody-{Guid.NewGuid():N}";
        var path = RegistryPath.With(
            "v1/connect/intentions/check", ("source", stranger), ("destination", snapshot.Destination.Value));
        var answer = await registry.GetAsync(path, cancellationToken).ConfigureAwait(false);
        return answer.Json().Flag("Allowed") ? IntentionAction.Allow : IntentionAction.Deny;
    }
}
