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
/// <c>intentions check</c>: whether a call would be allowed, and why, rule by rule. Decided here by the very evaluator that the
/// services use, set as they set it, from the intentions the registry gives, since registries answer with yes or no only and look
/// at no request.
/// </summary>
internal static class IntentionCheckCommand
{
    public static Command Build(SharedOptions shared)
    {
        var source = new Argument<string>("source") { Description = "The calling service." };
        var destination = new Argument<string>("destination") { Description = "The called service." };
        var path = new Option<string?>("--path") { Description = "The request's path as it is sent, for intentions about requests. Without it a bare connection is checked.", HelpName = "path" };
        var method = new Option<string>("--method") { Description = "The request's method.", HelpName = "method", DefaultValueFactory = _ => "GET" };
        var headers = new Option<string[]>("--header", "-H") { Description = "A header of the request, as 'name: value'; may be repeated.", HelpName = "header", DefaultValueFactory = _ => [] };
        var tokens = new Option<string[]>("--token-of") { Description = "A verified token of the request, as 'provider', or a claim of it, as 'provider:outer.inner=value'; may be repeated.", HelpName = "token", DefaultValueFactory = _ => [] };
        return Verbs.Create(
            shared, "check", $"Says whether a call would be allowed, and why. Ends with {ExitCodes.Denied} when it would not.",
            [source, destination, path, method, headers, tokens],
            async (parsed, registry, output, cancellationToken) =>
            {
                var pair = new IntentionPair(parsed.GetRequiredValue(source), parsed.GetRequiredValue(destination));
                var snapshot = await ReadAsync(registry, pair, cancellationToken).ConfigureAwait(false);
                var evaluator = new IntentionEvaluator(snapshot, snapshot.DefaultAction ?? IntentionAction.Deny, looseDenials: true);
                var request = parsed.GetValue(path);
                var explanation = request is null
                    ? evaluator.ExplainConnection(pair.Source)
                    : evaluator.ExplainRequest(
                        pair.Source,
                        parsed.GetRequiredValue(method),
                        RequestPath.FromTarget(request),
                        HeaderList.Parse(parsed.GetValue(headers) ?? []),
                        TokenClaims.Parse(parsed.GetValue(tokens) ?? []));
                Print(output, pair, explanation);
                return explanation.Verdict.IsAllowed ? ExitCodes.Ok : ExitCodes.Denied;
            });
    }

    private static void Print(ToolOutput output, IntentionPair pair, IntentionExplanation explanation)
    {
        var verdict = explanation.Verdict;
        if (output.IsJson)
        {
            output.Json(new JsonObject
            {
                ["Source"] = pair.Source,
                ["Destination"] = pair.Destination,
                ["Allowed"] = verdict.IsAllowed,
                ["Outcome"] = verdict.Outcome.ToString(),
                ["Rule"] = verdict.Rule,
                ["Reason"] = verdict.Reason,
                ["Rules"] = new JsonArray([.. explanation.Rules.Select(rule => new JsonObject
                {
                    ["Rule"] = rule.Rule,
                    ["Summary"] = rule.Summary,
                    ["Effect"] = rule.Effect.ToString(),
                    ["Why"] = rule.Why,
                })]),
            });
            return;
        }

        output.Line($"{pair}: {Word(verdict.Outcome)}. {verdict.Reason}");
        output.Line(string.Empty);
        output.Table(
            null,
            string.Empty,
            ["Rule", "Says", "Effect", "Why"],
            [.. explanation.Rules.Select(rule => (string[])[rule.Rule, rule.Summary, Word(rule.Effect), rule.Why])]);
    }

    private static string Word(IntentionOutcome outcome) => outcome switch
    {
        IntentionOutcome.Allow => "allowed",
        IntentionOutcome.ShadowDeny => "allowed, in shadow mode only",
        _ => "denied",
    };

    private static string Word(RuleEffect effect) => effect switch
    {
        RuleEffect.Decides => "decides",
        RuleEffect.WouldDecide => "would decide",
        _ => "-",
    };

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
