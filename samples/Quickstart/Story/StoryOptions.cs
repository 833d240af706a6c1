using System.Diagnostics.CodeAnalysis;

namespace Quickstart.Story;

/// <summary>What the command line asks for.</summary>
internal sealed record StoryOptions
{
    public const string HelpText =
        """
        Shows a mesh of six processes healing itself.

          dotnet run --project samples/Quickstart [-- OPTIONS]

          --consul URL   use a running Consul agent instead of the embedded registry, such as http://127.0.0.1:8500.
                         For a Consul to play with only: the story replaces the root of its certificate authority, and
                         makes and removes the intentions web -> orders and orders -> payments
          --watch        keep running after the story, until Ctrl-C
          --rate N       calls a second, 1 to 5000 (default 200)
          --plain        plain lines instead of the live view (the default when the output is no terminal)
          --help         this text

        Exit code: 0 when every expectation held, 1 when one did not, 2 for a wrong command line.
        """;

    public Uri? Consul { get; init; }

    public bool Watch { get; init; }

    public int Rate { get; init; } = 200;

    public bool Plain { get; init; } = Console.IsOutputRedirected;

    public static bool TryParse(
        string[] args, [NotNullWhen(true)] out StoryOptions? options, [NotNullWhen(false)] out string? problem)
    {
        options = null;
        problem = null;
        var result = new StoryOptions();
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--watch":
                    result = result with { Watch = true };
                    break;
                case "--plain":
                    result = result with { Plain = true };
                    break;
                case "--consul" when i + 1 < args.Length && Uri.TryCreate(args[i + 1], UriKind.Absolute, out var address):
                    result = result with { Consul = address };
                    i++;
                    break;
                case "--rate" when i + 1 < args.Length && int.TryParse(args[i + 1], out var rate) && rate is >= 1 and <= 5000:
                    result = result with { Rate = rate };
                    i++;
                    break;
                default:
                    problem = $"'{args[i]}' is not an option, or its value is missing or wrong.";
                    return false;
            }
        }

        options = result;
        return true;
    }
}
