using System.CommandLine;
using System.Security.Cryptography;
using MeshClient.Server;
using MeshClient.Tool.CommandLine;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Tool.Commands;

/// <summary>
/// <c>server</c>: a registry and certificate authority. Its flags are names for keys of the section <c>MeshServer</c>; they win
/// over the environment, which wins over the file.
/// </summary>
internal static class ServerCommand
{
    private const string Section = MeshServerDefaults.SectionName;

    public static Command Build()
    {
        var file = new Option<FileInfo?>("--config") { Description = $"A JSON file with the section {Section}.", HelpName = "file" };
        var listen = new Option<string?>("--listen") { Description = $"Where to listen, as a URL; port 0 takes any free one. Default: {MeshServerDefaults.ListenAddress}.", HelpName = "url" };
        var data = new Option<string?>("--data") { Description = "The folder that keeps the mesh over restarts; without it everything is in memory.", HelpName = "folder" };
        var datacenter = new Option<string?>("--name") { Description = $"The name of this datacenter. Default: {MeshServerDefaults.Datacenter}.", HelpName = "name" };
        var policy = new Option<string?>("--default-policy") { Description = "What holds for calls that no intention speaks about: deny (default) or allow.", HelpName = "policy" };
        policy.AcceptOnlyFromAmong("allow", "deny");
        var set = new Option<string[]>("--set")
        {
            Description = $"Any other key of the section {Section}, as Key=Value; may be repeated. The environment takes the same as {Section}__Key=Value.",
            HelpName = "key=value",
            DefaultValueFactory = _ => [],
        };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Log more." };
        var command = new Command("server", "Runs a registry and certificate authority until Ctrl-C.") { file, listen, data, datacenter, policy, set, verbose };
        command.SetAction((parsed, cancellationToken) =>
        {
            var flags = new Dictionary<string, string?>
            {
                [$"{Section}:ListenAddress"] = parsed.GetValue(listen),
                [$"{Section}:{DataKey}"] = parsed.GetValue(data),
                [$"{Section}:Datacenter"] = parsed.GetValue(datacenter),
                [$"{Section}:DefaultIntentionPolicy"] = parsed.GetValue(policy),
            };
            foreach (var pair in parsed.GetValue(set) ?? [])
            {
                var split = pair.IndexOf('=', StringComparison.Ordinal);
                if (split <= 0)
                {
                    throw new ToolException(ExitCodes.Usage, $"--set '{pair}' is not of the form Key=Value.");
                }

                flags[$"{Section}:{pair[..split]}"] = pair[(split + 1)..];
            }

            return RunAsync(parsed, parsed.GetValue(file), flags, parsed.GetValue(verbose), cancellationToken);
        });
        return command;
    }

    private const string DataKey = "DataDirectory";

    private static async Task<int> RunAsync(
        ParseResult parsed, FileInfo? file, Dictionary<string, string?> flags, bool isVerbose, CancellationToken cancellationToken)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        if (file is not null)
        {
            // Checked here, because what reads it would show a stack trace.
            _ = InputFile.ReadObject(file.FullName);
            builder.Configuration.AddJsonFile(file.FullName, optional: false, reloadOnChange: false);
        }

        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.AddInMemoryCollection(flags.Where(flag => flag.Value is not null));
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.SetMinimumLevel(isVerbose ? LogLevel.Debug : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", isVerbose ? LogLevel.Information : LogLevel.Warning);
        builder.Services.AddMeshServer();
        using var host = builder.Build();
        try
        {
            await host.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OptionsValidationException or IOException or InvalidDataException or CryptographicException)
        {
            throw new ToolException(ExitCodes.Usage, $"The server cannot start. {e.Message}", e);
        }

        var options = host.Services.GetRequiredService<IOptions<MeshServerOptions>>().Value;
        var address = host.Services.GetRequiredService<IMeshServer>().Address.GetLeftPart(UriPartial.Authority);
        var output = parsed.InvocationConfiguration.Output;
        await output.WriteLineAsync($"Listening on  {address}  (datacenter {options.Datacenter})").ConfigureAwait(false);
        await output.WriteLineAsync(
            options.DataDirectory is { } path
                ? $"Data in       {Path.GetFullPath(path)}"
                : "Data in       memory only: a restart makes a new mesh (--data keeps it)").ConfigureAwait(false);
        await output.WriteLineAsync($"To join       CONSUL_HTTP_ADDR={address}, or Mesh:ControlPlane:Address={address}").ConfigureAwait(false);
        await output.WriteLineAsync($"To operate    meshclient services --address {address}").ConfigureAwait(false);
        await output.WriteLineAsync("Ctrl-C stops it.").ConfigureAwait(false);
        await output.FlushAsync(cancellationToken).ConfigureAwait(false);
        await host.WaitForShutdownAsync(cancellationToken).ConfigureAwait(false);
        return ExitCodes.Ok;
    }
}
