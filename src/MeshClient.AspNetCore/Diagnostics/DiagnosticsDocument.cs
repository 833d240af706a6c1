using System.Text.Json.Nodes;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Intentions;
using MeshClient.Core.Intentions;
using MeshClient.Identity;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Diagnostics;

/// <summary>
/// What the diagnostics endpoints answer, as JSON. No keys, and of rules no values of headers and claims, which may be secrets.
/// </summary>
internal sealed class DiagnosticsDocument(
    MeshIdentity identity, InboundIntentions intentions, EndpointRules endpoints, IOptions<MeshInboundOptions> options)
{
    public JsonObject State() => new()
    {
        ["service"] = identity.Service.Value,
        ["mode"] = options.Value.Mode.ToString(),
        ["identity"] = Identity(),
        ["intentions"] = Intentions(),
        ["endpointRules"] = new JsonArray([.. endpoints.All().Select(one => Rule(one.Rule.Denial.Name, EndpointRules.NameOf(one.Endpoint), one.Rule.Callers.Names))]),
    };

    public static JsonObject Of(MeshExplanation explanation)
    {
        var rules = new JsonArray();
        foreach (var rule in explanation.EndpointRules)
        {
            var one = Rule(rule.Rule, rule.Endpoint, rule.Callers);
            one["allowed"] = rule.IsAllowed;
            rules.Add((JsonNode)one);
        }

        return new JsonObject
        {
            ["allowed"] = explanation.IsAllowed,
            ["shadow"] = explanation.IsShadow,
            ["rule"] = explanation.Rule,
            ["reason"] = explanation.Reason,
            ["intentions"] = explanation.Intentions is null ? null : new JsonArray([.. explanation.Intentions.Rules.Select(Weighed)]),
            ["endpointRules"] = rules,
        };
    }

    private static JsonNode Weighed(WeighedRule rule) => new JsonObject
    {
        ["rule"] = rule.Rule,
        ["summary"] = rule.Summary,
        ["effect"] = rule.Effect.ToString(),
        ["why"] = rule.Why,
    };

    private static JsonObject Rule(string rule, string endpoint, IEnumerable<string> callers) => new()
    {
        ["rule"] = rule,
        ["endpoint"] = endpoint,
        ["callers"] = Texts(callers),
    };

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(text => JsonValue.Create(text))]);

    private JsonObject? Identity() => identity.Current is not { } current ? null : new JsonObject
    {
        ["id"] = current.Leaf.Id.ToString(),
        ["serial"] = current.Leaf.Certificate.SerialNumber,
        ["notAfter"] = current.Leaf.NotAfter,
        ["trustDomain"] = current.Bundle.TrustDomain,
        ["roots"] = current.Bundle.Roots.Count,
    };

    private JsonObject? Intentions() => intentions.InForce is not { } inForce ? null : new JsonObject
    {
        ["index"] = inForce.Index,
        ["ageSeconds"] = intentions.Age?.TotalSeconds,
        ["failure"] = intentions.DescribeFailure(),
        ["default"] = inForce.DefaultAction.ToString(),
        ["rules"] = new JsonArray([.. inForce.Snapshot.Intentions.OrderByDescending(one => one.Precedence).Select(Describe)]),
    };

    private static JsonNode Describe(Intention intention) => new JsonObject
    {
        ["rule"] = intention.Id,
        ["source"] = intention.Source,
        ["destination"] = intention.Destination,
        ["action"] = intention.Action?.ToString(),
        ["mode"] = intention.Mode.ToString(),
        ["precedence"] = intention.Precedence,
        ["providers"] = Providers(intention.Jwt),
        ["permissions"] = new JsonArray([.. intention.Permissions.Select(Describe)]),
    };

    private static JsonNode Describe(IntentionPermission permission) => new JsonObject
    {
        ["action"] = permission.Action.ToString(),
        ["path"] = permission.PathExact ?? permission.PathPrefix ?? permission.PathRegex,
        ["methods"] = Texts(permission.Methods),
        ["headers"] = Texts(permission.Headers.Select(header => header.Name)),
        ["providers"] = Providers(permission.Jwt),
    };

    private static JsonArray Providers(JwtRequirement? requirement) => Texts(requirement?.Providers.Select(one => one.Name) ?? []);
}
