using System.CommandLine;
using MeshClient.Tool.Commands;

namespace MeshClient.Tool.CommandLine;

/// <summary>The whole command line, and one run of it.</summary>
internal static class MeshClientCommand
{
    /// <summary>
    /// How long a command may take to end once it is told to: longer than a server waits for requests under way, 5 seconds, so
    /// that its end is not cut off. The library's own limit is 2 seconds.
    /// </summary>
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Builds the command line.</summary>
    /// <param name="shared">The options that every verb takes.</param>
    public static RootCommand Build(SharedOptions shared)
    {
        var root = new RootCommand(
            "Runs a mesh registry and certificate authority, and operates any that speaks the Consul HTTP API: MeshClient.Server "
            + "or a real Consul. " + ExitCodes.Description);
        shared.AddTo(root);
        root.Add(ServerCommand.Build());
        root.Add(ServicesCommand.Build(shared));
        root.Add(InstancesCommand.Build(shared));
        root.Add(IntentionsCommands.Build(shared));
        root.Add(KeyValueCommands.Build(shared));
        root.Add(ConfigCommands.Build(shared));
        root.Add(AuthorityCommands.Build(shared));
        root.Add(TokenCommands.Build(shared));
        root.Add(SnapshotCommands.Build(shared));
        root.Add(WatchCommand.Build(shared));
        root.Add(ForwardCommands.BuildForward(shared));
        root.Add(ForwardCommands.BuildExpose(shared));
        root.Add(DoctorCommand.Build(shared));
        root.Add(CompletionCommand.Build());
        NamedHelp.Install(root);
        return root;
    }

    /// <summary>Runs one command line.</summary>
    /// <param name="arguments">The words after the command's name.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="errors">Where everything else goes.</param>
    /// <param name="cancellationToken">Stops it, as Ctrl-C does.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(
        IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        // A value that begins with @ names a file to us, and not one of further arguments to the parser.
        var parsing = new ParserConfiguration { ResponseFileTokenReplacer = null };
        var parsed = Build(new SharedOptions()).Parse(arguments, parsing);
        var invocation = new InvocationConfiguration
        {
            Output = output,
            Error = errors,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = EndTimeout,
        };
        try
        {
            var exitCode = await parsed.InvokeAsync(invocation, cancellationToken).ConfigureAwait(false);
            return parsed.Errors.Count > 0 ? ExitCodes.Usage : exitCode;
        }
        catch (ToolException e)
        {
            await errors.WriteLineAsync(e.Message).ConfigureAwait(false);
            return e.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Interrupted;
        }
    }
}
