using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>kv</c>: the key/value store.</summary>
internal static class KeyValueCommands
{
    private const string Path = "v1/kv/";

    public static Command Build(SharedOptions shared) => Verbs.Group(
        "kv", "The key/value store: get, put, list, delete.", Get(shared), Put(shared), List(shared), Delete(shared));

    private static Argument<string> Key() => new("key") { Description = "The key." };

    private static Command Get(SharedOptions shared)
    {
        var key = Key();
        return Verbs.Create(
            shared, "get", "Prints the value of a key as text; with --json the value as it is, in base 64, and its flags, session and indexes.", [key],
            async (parsed, registry, output, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(key);
                var entry = (await registry.FindAsync(RegistryPath.OfKey(Path, name), cancellationToken).ConfigureAwait(false))?.Objects().FirstOrDefault()
                    ?? throw new ToolException(ExitCodes.NotFound, $"There is no key '{name}'.");
                if (output.IsJson)
                {
                    output.Json(entry);
                }
                else
                {
                    output.Line(Encoding.UTF8.GetString(Convert.FromBase64String(entry.Text("Value"))));
                }

                return ExitCodes.Ok;
            });
    }

    private static Command Put(SharedOptions shared)
    {
        var key = Key();
        var value = new Argument<string>("value") { Description = "The value; '@file' reads it from a file, '-' from standard input. Default: empty.", DefaultValueFactory = _ => string.Empty };
        var flags = new Option<ulong?>("--flags") { Description = "A number kept with it, for your own use.", HelpName = "number" };
        var cas = new Option<ulong?>("--cas") { Description = "Only if the key is unchanged since this index; 0: only if there is none.", HelpName = "index" };
        return Verbs.Create(
            shared, "put", "Writes a key.", [key, value, flags, cas],
            async (parsed, registry, output, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(key);
                var text = parsed.GetRequiredValue(value);
                var bytes = text == InputFile.StandardInput ? InputFile.ReadBytes(text)
                    : text.StartsWith('@') ? InputFile.ReadBytes(text[1..])
                    : Encoding.UTF8.GetBytes(text);
                var path = RegistryPath.With(
                    RegistryPath.OfKey(Path, name), ("flags", Written(parsed.GetValue(flags))), ("cas", Written(parsed.GetValue(cas))));
                var answer = await registry.PutAsync(path, bytes, cancellationToken).ConfigureAwait(false);
                if (answer.Text != "true")
                {
                    throw new ToolException(ExitCodes.Failed, $"'{name}' was not written: it has changed since index {parsed.GetValue(cas)}.");
                }

                output.Done($"'{name}' written.", new JsonObject { ["Key"] = name });
                return ExitCodes.Ok;
            });
    }

    private static Command List(SharedOptions shared)
    {
        var prefix = new Argument<string>("prefix") { Description = "Only keys that begin with this. Default: all.", DefaultValueFactory = _ => string.Empty };
        var separator = new Option<string?>("--separator") { Description = "Cuts keys after the first of these past the prefix, as '/' does folders.", HelpName = "text" };
        return Verbs.Create(
            shared, "list", "Lists keys.", [prefix, separator],
            async (parsed, registry, output, cancellationToken) =>
            {
                var path = RegistryPath.With(
                    RegistryPath.OfKey(Path, parsed.GetRequiredValue(prefix)), ("keys", string.Empty), ("separator", parsed.GetValue(separator)));
                var answer = await registry.FindAsync(path, cancellationToken).ConfigureAwait(false);
                var keys = (answer?.Json() as JsonArray ?? []).Select(key => key.Text()).ToList();
                output.Table(new JsonArray([.. keys]), "There is no key.", ["Key"], [.. keys.Select(key => (string[])[key])]);
                return ExitCodes.Ok;
            });
    }

    private static Command Delete(SharedOptions shared)
    {
        var key = Key();
        var recurse = new Option<bool>("--recurse") { Description = "Every key that begins with this one." };
        var cas = new Option<ulong?>("--cas") { Description = "Only if the key is unchanged since this index.", HelpName = "index" };
        return Verbs.Create(
            shared, "delete", "Deletes a key; one that is not there is no error.", [key, recurse, cas],
            async (parsed, registry, output, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(key);
                var path = RegistryPath.With(
                    RegistryPath.OfKey(Path, name),
                    ("recurse", parsed.GetValue(recurse) ? string.Empty : null),
                    ("cas", Written(parsed.GetValue(cas))));
                var answer = await registry.DeleteAsync(path, cancellationToken).ConfigureAwait(false);
                if (answer.Text != "true")
                {
                    throw new ToolException(ExitCodes.Failed, $"'{name}' was not deleted: it has changed since index {parsed.GetValue(cas)}.");
                }

                output.Done($"'{name}' deleted.", new JsonObject { ["Key"] = name });
                return ExitCodes.Ok;
            });
    }

    private static string? Written(ulong? number) => number?.ToString(CultureInfo.InvariantCulture);
}
