using System.CommandLine;
using MeshClient.Configuration;
using MeshClient.Tool.CommandLine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Tool.Commands;

/// <summary>
/// <c>forward</c> and <c>expose</c>: let programs take part that know nothing of the mesh, whatever they are written in.
/// </summary>
internal static class ForwardCommands
{
    public static Command BuildForward(SharedOptions shared)
    {
        var service = new Argument<string>("service") { Description = "The service, such as postgres; _admin.postgres for its endpoint admin." };
        var self = new Option<string>("--as") { Description = "The service that calls: whose certificate is shown, and whom intentions are about.", HelpName = "service", Required = true };
        var listen = new Option<string>("--listen") { Description = "Where programs connect, such as 127.0.0.1:5432; port 0 takes any free one.", HelpName = "address:port", Required = true };
        var remote = new Option<bool>("--allow-remote") { Description = "Let other machines connect too. They then act with this identity, without proving anything." };
        var set = Set();
        var command = new Command("forward", "Opens a local port that leads to a service over the mesh, until Ctrl-C.") { service, self, listen, remote, set };
        command.SetAction((parsed, cancellationToken) =>
        {
            var name = parsed.GetValue(service)!;
            var settings = Settings(shared, parsed, parsed.GetValue(self)!, parsed.GetValue(set));
            settings[$"Mesh:Forwards:{name}:Listen"] = parsed.GetValue(listen);
            settings[$"Mesh:Forwards:{name}:AllowRemote"] = parsed.GetValue(remote) ? "true" : "false";
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            Configure(builder, settings);
            builder.Services.AddMeshClient();
            return RunAsync(parsed, builder.Build(), cancellationToken);
        });
        return command;
    }

    public static Command BuildExpose(SharedOptions shared)
    {
        var service = new Argument<string>("service") { Description = "What the program is called in the mesh." };
        var target = new Option<string>("--target") { Description = "Where the program listens, such as 127.0.0.1:5432.", HelpName = "address:port", Required = true };
        var listen = new Option<string>("--listen") { Description = "Where callers of the mesh connect; * is every interface, and port 0 takes any free one.", HelpName = "address:port", DefaultValueFactory = _ => "*:0" };
        var remote = new Option<bool>("--allow-remote") { Description = "Let the program be on another machine. What goes there is not protected." };
        var set = Set();
        var command = new Command("expose", "Puts a program on this machine into the mesh as a service, until Ctrl-C.") { service, target, listen, remote, set };
        command.SetAction((parsed, cancellationToken) =>
        {
            var settings = Settings(shared, parsed, parsed.GetValue(service)!, parsed.GetValue(set));
            settings["Mesh:Inbound:Address"] = parsed.GetValue(listen);
            settings["Mesh:Inbound:Expose:Target"] = parsed.GetValue(target);
            settings["Mesh:Inbound:Expose:AllowRemote"] = parsed.GetValue(remote) ? "true" : "false";
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            Configure(builder, settings);
            builder.WebHost.UseKestrelCore();
            builder.Services.AddRoutingCore();
            builder.Services.AddMeshInbound();
            return RunAsync(parsed, builder.Build(), cancellationToken);
        });
        return command;
    }

    private static Option<string[]> Set() => new("--set")
    {
        Description = "Any key of the section Mesh, as Key=Value, such as Defaults:ConnectTimeout=00:00:05; may be repeated. The environment takes the same as Mesh__Key=Value.",
        HelpName = "key=value",
        DefaultValueFactory = _ => [],
    };

    private static Dictionary<string, string?> Settings(SharedOptions shared, ParseResult parsed, string service, string[]? set)
    {
        var registry = shared.Settings(parsed);
        var settings = new Dictionary<string, string?>
        {
            ["Mesh:Service"] = service,
            ["Mesh:ControlPlane:Address"] = registry.Address.ToString(),
            ["Mesh:ControlPlane:Token"] = registry.Token,
            ["Mesh:ControlPlane:CaFile"] = registry.CaFile,
            ["Mesh:ControlPlane:Datacenter"] = registry.Datacenter,
        };
        foreach (var pair in set ?? [])
        {
            var split = pair.IndexOf('=', StringComparison.Ordinal);
            if (split <= 0)
            {
                throw new ToolException(ExitCodes.Usage, $"--set '{pair}' is not of the form Key=Value.");
            }

            settings[$"{MeshOptions.SectionName}:{pair[..split]}"] = pair[(split + 1)..];
        }

        return settings;
    }

    private static void Configure(IHostApplicationBuilder builder, Dictionary<string, string?> settings)
    {
        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.AddInMemoryCollection(settings.Where(setting => setting.Value is not null));
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.SetMinimumLevel(LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        // What keeps it from starting is said once, by us.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        builder.Logging.AddFilter("System.Net.Http", LogLevel.Warning);
    }

    private static async Task<int> RunAsync(ParseResult parsed, IHost host, CancellationToken cancellationToken)
    {
        using (host)
        {
            try
            {
                await host.StartAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OptionsValidationException or InvalidOperationException or IOException)
            {
                throw new ToolException(ExitCodes.Usage, $"It cannot start. {e.Message}", e);
            }

            var output = parsed.InvocationConfiguration.Output;
            await output.WriteLineAsync("Running. Ctrl-C stops it.").ConfigureAwait(false);
            await output.FlushAsync(cancellationToken).ConfigureAwait(false);
            await host.WaitForShutdownAsync(cancellationToken).ConfigureAwait(false);
            return ExitCodes.Ok;
        }
    }
}
