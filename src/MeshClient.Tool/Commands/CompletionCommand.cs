using System.CommandLine;

namespace MeshClient.Tool.Commands;

/// <summary>
/// <c>completion</c>: prints what makes a shell complete the command's words. The shell asks the command itself, by the
/// <c>[suggest]</c> directive of System.CommandLine, so completions never lag behind the verbs.
/// </summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _meshclient() {
          local IFS=$'\n'
          COMPREPLY=( $(compgen -W "$(meshclient "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}") )
        }
        complete -F _meshclient meshclient
        """;

    private const string Zsh = """
        _meshclient() {
          local -a words_found
          words_found=("${(@f)$(meshclient "[suggest:${#BUFFER}]" "$BUFFER" 2>/dev/null)}")
          compadd -a words_found
        }
        compdef _meshclient meshclient
        """;

    private const string PowerShell = """
        Register-ArgumentCompleter -Native -CommandName meshclient -ScriptBlock {
          param($word, $ast, $position)
          meshclient "[suggest:$position]" "$ast" | ForEach-Object {
            [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
          }
        }
        """;

    public static Command Build()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or pwsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "pwsh");
        var command = new Command("completion", "Prints a script for your shell; for bash: source <(meshclient completion bash)") { shell };
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.WriteLine(parsed.GetRequiredValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => PowerShell,
            });
            return ExitCodes.Ok;
        });
        return command;
    }
}
