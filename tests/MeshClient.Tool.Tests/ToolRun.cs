using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;

namespace MeshClient.Tool.Tests;

/// <summary>What one run of the command came to.</summary>
internal sealed record ToolRun(int ExitCode, string Output, string Errors)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    public JsonNode? Json => JsonNode.Parse(Output);

    public static async Task<ToolRun> StartAsync(params string[] arguments)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        await using var output = new StringWriter();
        await using var errors = new StringWriter();
        var exitCode = await MeshClientCommand.RunAsync(arguments, output, errors, limit.Token);
        return new ToolRun(exitCode, output.ToString(), errors.ToString());
    }
}
