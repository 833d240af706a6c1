using System.CommandLine;
using MeshClient.Tool.Output;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.CommandLine;

/// <summary>What a verb does, once the registry and the way of printing are known.</summary>
internal delegate Task<int> VerbAction(ParseResult parsed, RegistryConnection registry, ToolOutput output, CancellationToken cancellationToken);

/// <summary>Makes verbs.</summary>
internal static class Verbs
{
    /// <summary>Makes a verb that talks to the registry.</summary>
    public static Command Create(SharedOptions shared, string name, string description, IEnumerable<Symbol> symbols, VerbAction action)
    {
        var verb = new Command(name, description);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    verb.Add(argument);
                    break;
                case Option option:
                    verb.Add(option);
                    break;
                default:
                    throw new ArgumentException($"'{symbol.Name}' is neither an argument nor an option.", nameof(symbols));
            }
        }

        verb.SetAction(async (parsed, cancellationToken) =>
        {
            using var registry = shared.Connect(parsed);
            return await action(parsed, registry, shared.Output(parsed), cancellationToken).ConfigureAwait(false);
        });
        return verb;
    }

    /// <summary>Makes a verb that only holds others.</summary>
    public static Command Group(string name, string description, params ReadOnlySpan<Command> verbs)
    {
        var group = new Command(name, description);
        foreach (var verb in verbs)
        {
            group.Add(verb);
        }

        return group;
    }
}
