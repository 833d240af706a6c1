using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Registration;
using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Server;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.FunctionalTests;

/// <summary>
/// The README says what is: its code is compiled, its table of stages is the pipeline's, the files and settings it names exist, and
/// what it tells of the simulations was recorded.
/// </summary>
public sealed partial class ReadmeTests
{
    private const string EitherWay = ", with ejection or without";

    // The longer names first.
    private static readonly (string Name, Type Options)[] Sections =
    [
        (MeshInboundOptions.SectionName, typeof(MeshInboundOptions)),
        (MeshRegistrationOptions.SectionName, typeof(MeshRegistrationOptions)),
        ("MeshServer", typeof(MeshServerOptions)),
        (MeshOptions.SectionName, typeof(MeshOptions)),
    ];

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

    [Fact]
    public void Readme_Settings_ExistAndNoneIsLeftOut()
    {
        var section = Readme[Readme.IndexOf("## Settings", StringComparison.Ordinal)..Readme.IndexOf("### Restarts", StringComparison.Ordinal)];
        var keys = SettingRow().Matches(section).SelectMany(row => Keys(Code().Matches(row.Groups["cell"].Value))).ToList();
        var words = Code().Matches(section).SelectMany(code => code.Groups["code"].Value.Split(':')).ToHashSet();

        Assert.True(keys.Count > 100, $"{keys.Count} settings");
        Assert.All(keys, key => Assert.True(Exists(key), $"{key} is no setting"));
        Assert.All(
            Sections.SelectMany(section => Names(section.Options)).Distinct(), name => Assert.True(words.Contains(name), $"{name} is not among the settings"));
    }

    [Fact]
    public void Readme_Simulations_AreThoseRecorded()
    {
        var recorded = Rows(File.ReadAllText(Path.Combine(Root, "tests", "MeshClient.Simulation", "results", "simulation.md")), "| strategy |");
        var told = Rows(Readme, "| Strategy | Success in 10 s |");

        Assert.Equal(
            ["Round robin", "Least request", "Peak-EWMA", "Peak-EWMA, ejection", "Peak-EWMA, hedging"], told.SelectMany(row => Strategies(row[0])));
        foreach (var (row, strategy) in told.SelectMany(row => Strategies(row[0]).Select(strategy => (row, strategy))))
        {
            var source = recorded.First(one => one[0].Equals(strategy, StringComparison.OrdinalIgnoreCase));
            // Success, while it lasts, p99, p99.9; the median is not told.
            foreach (var (figure, from) in row[1..].Zip((string[])[source[1], source[2], source[4], source[5]]))
            {
                Assert.Equal(Number(figure), Math.Round(Number(from), Decimals(figure), MidpointRounding.AwayFromZero));
            }
        }
    }

    // The first is written out; the others of a row stand beside it, so only their ends are.
    private static IEnumerable<string> Keys(MatchCollection codes)
    {
        var first = codes[0].Groups["code"].Value;
        var beside = WithoutRest(first);
        beside = beside[..(beside.LastIndexOf(':') + 1)];
        return codes.Select((code, i) => WithoutRest(i == 0 ? first : beside + code.Groups["code"].Value));
    }

    private static string WithoutRest(string key) => key.EndsWith(":…", StringComparison.Ordinal) ? key[..^2] : key;

    private static bool Exists(string key)
    {
        var (section, type) = Sections.First(section => key.StartsWith(section.Name + ":", StringComparison.Ordinal));
        foreach (var part in key[(section.Length + 1)..].Split(':'))
        {
            if (ValueOf(type) is { } value)
            {
                type = value;
            }
            else if (type.GetProperty(part) is { } property)
            {
                type = property.PropertyType;
            }
            else
            {
                return false;
            }
        }

        return true;
    }

    private static IEnumerable<string> Names(Type options) => options.GetProperties(BindingFlags.Instance | BindingFlags.Public).SelectMany(property =>
    {
        var type = ValueOf(property.PropertyType) ?? property.PropertyType;
        return typeof(Delegate).IsAssignableFrom(type) ? []
            : type is { IsClass: true, Namespace: { } space } && space.StartsWith("MeshClient", StringComparison.Ordinal) ? Names(type)
            : (IEnumerable<string>)[property.Name];
    });

    private static Type? ValueOf(Type type) =>
        type.IsGenericType && type.GetGenericArguments() is [{ } key, { } value] && key == typeof(string) ? value : null;

    private static List<string[]> Rows(string page, string header)
    {
        var begin = page.IndexOf(header, StringComparison.Ordinal);
        Assert.True(begin >= 0, header);
        return [.. page[begin..].Split('\n').Skip(2).TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray())];
    }

    // One row of the page may stand for two strategies that came to the same.
    private static string[] Strategies(string label) =>
        label.EndsWith(EitherWay, StringComparison.Ordinal) ? [label[..^EitherWay.Length], label[..^EitherWay.Length] + ", ejection"] : [label];

    private static double Number(string figure) => double.Parse(Digits(figure), CultureInfo.InvariantCulture);

    private static int Decimals(string figure) => Digits(figure).Split('.') is [_, { } decimals] ? decimals.Length : 0;

    private static string Digits(string figure) => string.Concat(figure.Where(one => char.IsAsciiDigit(one) || one == '.'));

    private static string Normalise(string code) =>
        string.Join('\n', code.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex(@"```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex(@"// README: (?!end)[^\n]*\n(?<code>.*?)// README: end", RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"^\| \w+ \| (Call|Attempt|Instance) \|", RegexOptions.Multiline)]
    private static partial Regex StageRow();

    [GeneratedRegex(@"^\| (?<cell>`Mesh[^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex SettingRow();

    [GeneratedRegex("`(?<code>[^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"(?<path>(samples|tests|src|\.ci)/[\w./-]*\w)")]
    private static partial Regex PathInCode();
}
