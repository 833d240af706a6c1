using System.Text.RegularExpressions;
using MeshClient.Outbound;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.FunctionalTests;

/// <summary>The README says what is: its code is compiled, its table of stages is the pipeline's, the files it names exist.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string Root = RepositoryRoot.Path;
    private static readonly string Readme = File.ReadAllText(Path.Combine(Root, "README.md"));

    [Fact]
    public void Readme_CSharpBlocks_AreCompiledRegionsOfTheTour()
    {
        var regions = Directory.GetFiles(Path.Combine(Root, "samples", "Tour"), "*.cs")
            .SelectMany(file => Region().Matches(File.ReadAllText(file)))
            .Select(match => Normalise(match.Groups["code"].Value))
            .ToHashSet();
        var blocks = CSharpBlock().Matches(Readme).Select(match => Normalise(match.Groups["code"].Value)).ToList();

        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => Assert.Contains(block, regions));
    }

    [Fact]
    public async Task Readme_StageTable_IsThePipelinesOwnOrder()
    {
        var services = new ServiceCollection();
        services.AddMeshClient();
        await using var provider = services.BuildServiceProvider();

        var stages = provider.GetRequiredService<MeshHandlerFactory>().Stages.Select(stage => $"| {stage.Name} | {stage.Scope} |");

        Assert.Equal(stages, StageRow().Matches(Readme).Select(match => match.Value));
    }

    [Fact]
    public void Readme_PathsInCode_Exist()
    {
        var paths = PathInCode().Matches(Readme).Select(match => match.Groups["path"].Value).Distinct().ToList();

        Assert.NotEmpty(paths);
        Assert.All(paths, path => Assert.True(Path.Exists(Path.Combine(Root, path)), path));
    }

    private static string Normalise(string code) =>
        string.Join('\n', code.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex(@"```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex(@"// README: (?!end)[^\n]*\n(?<code>.*?)// README: end", RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"^\| \w+ \| (Call|Attempt|Instance) \|", RegexOptions.Multiline)]
    private static partial Regex StageRow();

    [GeneratedRegex(@"(?<path>(samples|tests|src|\.ci)/[\w./-]*\w)")]
    private static partial Regex PathInCode();
}
