using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace MeshClient.Tool.CommandLine;

/// <summary>
/// The library's own help, with the name under which the tool is installed: the library takes the file's name, which cannot be
/// <c>meshclient</c>, since a library of that name is beside it.
/// </summary>
internal sealed class NamedHelp(HelpAction inner) : SynchronousCommandLineAction
{
    public const string ToolName = "meshclient";

    /// <summary>Puts it in place for a whole command line.</summary>
    public static void Install(RootCommand root)
    {
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            if (help.Action is HelpAction inner)
            {
                help.Action = new NamedHelp(inner);
            }
        }
    }

    public override int Invoke(ParseResult parseResult)
    {
        var configuration = parseResult.InvocationConfiguration;
        var output = configuration.Output;
        using var captured = new StringWriter();
        try
        {
            configuration.Output = captured;
            inner.Invoke(parseResult);
        }
        finally
        {
            configuration.Output = output;
        }

        output.Write(captured.ToString().Replace(RootCommand.ExecutableName, ToolName, StringComparison.Ordinal));
        return ExitCodes.Ok;
    }
}
