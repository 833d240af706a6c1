using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>tokens</c>: who may ask the registry for what.</summary>
internal static class TokenCommands
{
    public static Command Build(SharedOptions shared) => Verbs.Group(
        "tokens", "Tokens and policies of the registry's access control. A token's secret is printed when it is made, and not again.",
        Bootstrap(shared), List(shared), Self(shared), Create(shared), Delete(shared), Policies(shared), SetPolicy(shared));

    private static Command Bootstrap(SharedOptions shared) => Verbs.Create(
        shared, "bootstrap", "Makes the first token, which may do everything. Works once.", [],
        async (_, registry, output, cancellationToken) =>
        {
            var token = (await registry.PutAsync("v1/acl/bootstrap", Array.Empty<byte>(), cancellationToken).ConfigureAwait(false)).Json();
            output.Record(token, ("Accessor", token.Text("AccessorID")), ("Secret", token.Text("SecretID")));
            return ExitCodes.Ok;
        });

    private static Command List(SharedOptions shared) => Verbs.Create(
        shared, "list", "Lists the tokens, without their secrets.", [],
        async (_, registry, output, cancellationToken) =>
        {
            var tokens = (await registry.GetAsync("v1/acl/tokens", cancellationToken).ConfigureAwait(false)).Objects().ToList();
            tokens.ForEach(token => token.Remove("SecretID"));
            output.Table(
                new JsonArray([.. tokens.Select(token => token.DeepClone())]),
                "There is no token.",
                ["Accessor", "Policies", "Services", "Description"],
                [.. tokens.Select(token => (string[])
                    [token.Text("AccessorID"), Names(token, "Policies", "Name"), Names(token, "ServiceIdentities", "ServiceName"), token.Text("Description")])]);
            return ExitCodes.Ok;
        });

    private static Command Self(SharedOptions shared) => Verbs.Create(
        shared, "self", "Shows what the token shown is.", [],
        async (_, registry, output, cancellationToken) =>
        {
            var token = (await registry.GetAsync("v1/acl/token/self", cancellationToken).ConfigureAwait(false)).Json() as JsonObject ?? [];
            token.Remove("SecretID");
            output.Record(
                token,
                ("Accessor", token.Text("AccessorID")),
                ("Description", token.Text("Description")),
                ("Policies", Names(token, "Policies", "Name")),
                ("Services", Names(token, "ServiceIdentities", "ServiceName")));
            return ExitCodes.Ok;
        });

    private static Command Create(SharedOptions shared)
    {
        var description = new Option<string?>("--description") { Description = "What it is for.", HelpName = "text" };
        var policies = new Option<string[]>("--policy") { Description = "A policy it has, by name; may be repeated.", HelpName = "name", DefaultValueFactory = _ => [] };
        var services = new Option<string[]>("--service") { Description = "A service it may register, and have the certificate of; may be repeated.", HelpName = "name", DefaultValueFactory = _ => [] };
        return Verbs.Create(
            shared, "create", "Makes a token and prints its secret.", [description, policies, services],
            async (parsed, registry, output, cancellationToken) =>
            {
                var body = new JsonObject
                {
                    ["Description"] = parsed.GetValue(description) ?? string.Empty,
                    ["Policies"] = new JsonArray([.. (parsed.GetValue(policies) ?? []).Select(name => new JsonObject { ["Name"] = name })]),
                    ["ServiceIdentities"] = new JsonArray([.. (parsed.GetValue(services) ?? []).Select(name => new JsonObject { ["ServiceName"] = name })]),
                };
                var token = (await registry.PutAsync("v1/acl/token", body, cancellationToken).ConfigureAwait(false)).Json();
                output.Record(token, ("Accessor", token.Text("AccessorID")), ("Secret", token.Text("SecretID")));
                return ExitCodes.Ok;
            });
    }

    private static Command Delete(SharedOptions shared)
    {
        var accessor = new Argument<string>("accessor") { Description = "The token's accessor id, as 'tokens list' shows it." };
        return Verbs.Create(
            shared, "delete", "Deletes a token, by its accessor id.", [accessor],
            async (parsed, registry, output, cancellationToken) =>
            {
                await registry.DeleteAsync(RegistryPath.Of("v1/acl/token/", parsed.GetRequiredValue(accessor)), cancellationToken).ConfigureAwait(false);
                output.Done($"Token {parsed.GetRequiredValue(accessor)} deleted.");
                return ExitCodes.Ok;
            });
    }

    private static Command Policies(SharedOptions shared) => Verbs.Create(
        shared, "policies", "Lists the policies.", [],
        async (_, registry, output, cancellationToken) =>
        {
            var answer = await registry.GetAsync("v1/acl/policies", cancellationToken).ConfigureAwait(false);
            output.Table(
                answer.Json(),
                "There is no policy.",
                ["Name", "Id", "Description"],
                [.. answer.Objects().Select(policy => (string[])[policy.Text("Name"), policy.Text("ID"), policy.Text("Description")])]);
            return ExitCodes.Ok;
        });

    private static Command SetPolicy(SharedOptions shared)
    {
        var name = new Argument<string>("name") { Description = "The policy's name." };
        var file = new Argument<string>("file") { Description = "A file of rules, such as: service \"web\" { policy = \"write\" }; '-' reads standard input." };
        var description = new Option<string?>("--description") { Description = "What it is for.", HelpName = "text" };
        return Verbs.Create(
            shared, "set-policy", "Makes a policy, or replaces the one of that name.", [name, file, description],
            async (parsed, registry, output, cancellationToken) =>
            {
                var policy = parsed.GetRequiredValue(name);
                var existing = (await registry.GetAsync("v1/acl/policies", cancellationToken).ConfigureAwait(false)).Objects()
                    .FirstOrDefault(one => one.Text("Name") == policy);
                var body = new JsonObject
                {
                    ["Name"] = policy,
                    ["Description"] = parsed.GetValue(description) ?? existing.Text("Description"),
                    ["Rules"] = InputFile.ReadText(parsed.GetRequiredValue(file)),
                };
                var path = "v1/acl/policy";
                if (existing is not null)
                {
                    body["ID"] = existing.Text("ID");
                    path += $"/{existing.Text("ID")}";
                }

                var written = (await registry.PutAsync(path, body, cancellationToken).ConfigureAwait(false)).Json();
                output.Done($"Policy '{policy}' written.", written);
                return ExitCodes.Ok;
            });
    }

    private static string Names(JsonNode? token, string list, string name) => string.Join(",", token.Objects(list).Select(one => one.Text(name)));
}
