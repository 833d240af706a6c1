using System.CommandLine;
using System.CommandLine.Parsing;
using MeshClient.Consul;
using MeshClient.Tool.Output;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.CommandLine;

/// <summary>
/// The options that every verb takes. What the command line leaves out comes from the variables that Consul's own tools read.
/// </summary>
internal sealed class SharedOptions
{
    public const string AddressVariable = "CONSUL_HTTP_ADDR";
    public const string TokenVariable = "CONSUL_HTTP_TOKEN";
    public const string TokenFileVariable = "CONSUL_HTTP_TOKEN_FILE";
    public const string CaFileVariable = "CONSUL_CACERT";

    private readonly Option<string?> _address = new("--address", "-a")
    {
        Description = $"Where the registry is, as host:port or a URL. Default: {AddressVariable}, else http://127.0.0.1:8500.",
        HelpName = "address",
        Recursive = true,
    };

    private readonly Option<string?> _token = new("--token")
    {
        Description = $"The token to show; other users of this machine can see command lines, so rather {TokenVariable} or --token-file.",
        HelpName = "token",
        Recursive = true,
    };

    private readonly Option<FileInfo?> _tokenFile = new("--token-file")
    {
        Description = $"A file that holds the token and nothing else. Default: {TokenFileVariable}.",
        HelpName = "file",
        Recursive = true,
    };

    private readonly Option<FileInfo?> _caFile = new("--ca-file")
    {
        Description = $"PEM file of the roots that an https registry is known by. Default: {CaFileVariable}, else this machine's roots.",
        HelpName = "file",
        Recursive = true,
    };

    private readonly Option<string?> _datacenter = new("--datacenter", "--dc")
    {
        Description = "The datacenter to ask about. Default: the registry's own.",
        HelpName = "name",
        Recursive = true,
    };

    private readonly Option<int> _timeout = new("--timeout")
    {
        Description = "How long to wait for an answer, in seconds, 1 to 600.",
        HelpName = "seconds",
        DefaultValueFactory = _ => 10,
        Recursive = true,
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Print JSON for programs instead of tables for people.",
        Recursive = true,
    };

    public SharedOptions()
    {
        _timeout.Validators.Add(result =>
        {
            // A value that is no number has been reported already and cannot be read.
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var seconds) && seconds is < 1 or > 600)
            {
                result.AddError($"--timeout is {seconds}; it takes 1 to 600 seconds.");
            }
        });
    }

    public void AddTo(Command root)
    {
        foreach (Option option in (Option[])[_address, _token, _tokenFile, _caFile, _datacenter, _timeout, _json])
        {
            root.Add(option);
        }
    }

    /// <summary>How results are printed.</summary>
    public ToolOutput Output(ParseResult parsed) => new(parsed.InvocationConfiguration.Output, parsed.GetValue(_json));

    /// <summary>How the registry is reached.</summary>
    /// <exception cref="ToolException">A setting cannot be used.</exception>
    public RegistrySettings Settings(ParseResult parsed)
    {
        var caFile = parsed.GetValue(_caFile)?.FullName ?? Variable(CaFileVariable);
        return new RegistrySettings(
            ReadAddress(parsed.GetValue(_address)),
            ReadToken(parsed),
            parsed.GetValue(_datacenter),
            TimeSpan.FromSeconds(parsed.GetValue(_timeout)),
            caFile);
    }

    /// <summary>Opens a connection to the registry.</summary>
    /// <exception cref="ToolException">A setting cannot be used.</exception>
    public RegistryConnection Connect(ParseResult parsed) => new(Settings(parsed));

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static Uri ReadAddress(string? given)
    {
        try
        {
            return ConsulAddress.Parse(given ?? Variable(AddressVariable) ?? "http://127.0.0.1:8500");
        }
        catch (FormatException e)
        {
            throw new ToolException(ExitCodes.Usage, $"{(given is null ? AddressVariable : "--address")} cannot be used: {e.Message}", e);
        }
    }

    private string? ReadToken(ParseResult parsed)
    {
        var file = parsed.GetValue(_tokenFile)?.FullName;
        var token = parsed.GetValue(_token)
            ?? (file is not null ? InputFile.ReadText(file).Trim() : null)
            ?? Variable(TokenVariable)
            ?? (Variable(TokenFileVariable) is { } named ? InputFile.ReadText(named).Trim() : null);
        if (token is not null && (token.Length == 0 || token.Any(c => c is <= ' ' or > '~')))
        {
            throw new ToolException(ExitCodes.Usage, "The token is empty or has a character that cannot be sent (its value is not shown).");
        }

        return token;
    }
}
