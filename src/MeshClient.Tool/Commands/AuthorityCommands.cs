using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary><c>ca</c>: the certificate authority of the mesh.</summary>
internal static class AuthorityCommands
{
    private const string ConfigurationPath = "v1/connect/ca/configuration";
    private const string RootsPath = "v1/connect/ca/roots";

    public static Command Build(SharedOptions shared) => Verbs.Group(
        "ca", "The certificate authority: its roots, its configuration, a new root.",
        Roots(shared), Configuration(shared), SetConfiguration(shared), Rotate(shared));

    private static Command Roots(SharedOptions shared)
    {
        var pem = new Option<bool>("--pem") { Description = "Print the certificates themselves, for tools that are to trust them." };
        return Verbs.Create(
            shared, "roots", "Lists the roots that the mesh trusts; the active one signs.", [pem],
            async (parsed, registry, output, cancellationToken) =>
            {
                var answer = await registry.GetAsync(RootsPath, cancellationToken).ConfigureAwait(false);
                var document = answer.Json();
                var roots = document.Objects("Roots").ToList();
                if (parsed.GetValue(pem))
                {
                    roots.ForEach(root => output.Line(root.Text("RootCert").TrimEnd()));
                    return ExitCodes.Ok;
                }

                output.Table(
                    document,
                    "There is no root: is Connect switched on?",
                    ["Id", "Name", "Active", "Key", "Not before", "Not after", "Trust domain"],
                    [.. roots.Select(root => (string[])
                    [
                        root.Text("ID"),
                        root.Text("Name"),
                        root.Flag("Active") ? "yes" : "no",
                        $"{root.Text("PrivateKeyType")} {root.Text("PrivateKeyBits")}".Trim(),
                        root.Text("NotBefore"),
                        root.Text("NotAfter"),
                        document.Text("TrustDomain"),
                    ])]);
                return ExitCodes.Ok;
            });
    }

    private static Command Configuration(SharedOptions shared) => Verbs.Create(
        shared, "config", "Prints the authority's configuration, without its private key.", [],
        async (_, registry, output, cancellationToken) =>
        {
            output.Json(WithoutKey(await ReadConfigurationAsync(registry, cancellationToken).ConfigureAwait(false)));
            return ExitCodes.Ok;
        });

    private static Command SetConfiguration(SharedOptions shared)
    {
        var file = new Argument<string>("file") { Description = "A JSON file as 'ca config' prints it; '-' reads standard input." };
        return Verbs.Create(
            shared, "set-config", "Replaces the authority's configuration. With another key or root, a new root signs from then on.", [file],
            async (parsed, registry, output, cancellationToken) =>
            {
                await registry.PutAsync(ConfigurationPath, InputFile.ReadObject(parsed.GetRequiredValue(file)), cancellationToken).ConfigureAwait(false);
                output.Done("The configuration is in force.");
                return ExitCodes.Ok;
            });
    }

    private static Command Rotate(SharedOptions shared)
    {
        var years = new Option<int>("--years") { Description = "How long the new root is good for, 1 to 30 years.", HelpName = "years", DefaultValueFactory = _ => 10 };
        return Verbs.Create(
            shared, "rotate", "Makes a new root and lets it sign. The old one stays trusted until the certificates it signed have ended; no call fails.",
            [years],
            async (parsed, registry, output, cancellationToken) =>
            {
                var life = parsed.GetValue(years);
                if (life is < 1 or > 30)
                {
                    throw new ToolException(ExitCodes.Usage, $"--years is {life}; it takes 1 to 30.");
                }

                var before = (await registry.GetAsync(RootsPath, cancellationToken).ConfigureAwait(false)).Json();
                var configuration = await ReadConfigurationAsync(registry, cancellationToken).ConfigureAwait(false);
                var root = NewRoot.Create(before.Text("TrustDomain"), TimeProvider.System.GetUtcNow(), life);
                var config = configuration["Config"] as JsonObject ?? [];
                config["PrivateKey"] = root.PrivateKeyPem;
                config["RootCert"] = root.CertificatePem;
                var wanted = new JsonObject
                {
                    ["Provider"] = configuration.Text("Provider") is { Length: > 0 } provider ? provider : "consul",
                    ["Config"] = config.DeepClone(),
                };
                await registry.PutAsync(ConfigurationPath, wanted, cancellationToken).ConfigureAwait(false);

                var after = (await registry.GetAsync(RootsPath, cancellationToken).ConfigureAwait(false)).Json();
                if (after.Text("ActiveRootID") == before.Text("ActiveRootID"))
                {
                    throw new ToolException(ExitCodes.Failed, "The registry took the new root, but still signs with the old one.");
                }

                var trusted = after.Objects("Roots").Count().ToString(CultureInfo.InvariantCulture);
                output.Done($"A new root signs: {after.Text("ActiveRootID")}. Trusted now: {trusted} roots.", after);
                return ExitCodes.Ok;
            });
    }

    private static async Task<JsonObject> ReadConfigurationAsync(RegistryConnection registry, CancellationToken cancellationToken) =>
        (await registry.GetAsync(ConfigurationPath, cancellationToken).ConfigureAwait(false)).Json() as JsonObject
        ?? throw new ToolException(ExitCodes.Failed, $"{registry.Name} gave no configuration of its authority.");

    // Consul before 1.9 shows a key that was given to it.
    private static JsonObject WithoutKey(JsonObject configuration)
    {
        var shown = configuration.DeepClone().AsObject();
        (shown["Config"] as JsonObject)?.Remove("PrivateKey");
        return shown;
    }
}
