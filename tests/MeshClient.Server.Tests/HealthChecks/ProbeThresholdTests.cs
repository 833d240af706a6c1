using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Tests.HealthChecks;

public sealed class ProbeThresholdTests
{
    private const CheckStatus P = CheckStatus.Passing;
    private const CheckStatus W = CheckStatus.Warning;
    private const CheckStatus C = CheckStatus.Critical;

    [Fact]
    public void Count_WithoutThresholds_TakesEveryResult()
    {
        var threshold = new ProbeThreshold(Probe(0, 0, 0));
        Assert.Equal<CheckStatus?>([P, C, W, C], new[] { P, C, W, C }.Select(threshold.Count));
    }

    [Fact]
    public void Count_WithThresholds_TakesTheResultThatCompletesTheRow()
    {
        var threshold = new ProbeThreshold(Probe(2, 3, 0));
        Assert.Equal<CheckStatus?>([null, P, null, null, null, W, null, null, C, C], new[] { P, P, C, C, W, W, C, C, C, C }.Select(threshold.Count));
    }

    [Fact]
    public void Count_WithAWarningThreshold_WarnsOnTheWayToCritical()
    {
        var threshold = new ProbeThreshold(Probe(0, 3, 2));
        Assert.Equal<CheckStatus?>([null, W, C, P], new[] { C, C, C, P }.Select(threshold.Count));
    }

    // Whatever came before: enough of one kind in a row decides, and fewer than enough never do.
    [Fact]
    public void Count_OfAnyResults_DependsOnTheLastRowOnly()
    {
        var inputs = from good in Gen.Choose(0, 4)
                     from bad in Gen.Choose(0, 4)
                     from results in Gen.Elements(P, W, C).ListOf()
                     select (good, bad, results);
        Prop.ForAll(inputs.ToArbitrary(), input =>
        {
            var threshold = new ProbeThreshold(Probe(input.good, input.bad, 0));
            for (var i = 0; i < input.results.Count; i++)
            {
                var result = input.results[i];
                var row = 1;
                while (row <= i && input.results[i - row] == C == (result == C))
                {
                    row++;
                }

                CheckStatus? expected = row >= (result == C ? input.bad : input.good) ? result : null;
                Assert.Equal(expected, threshold.Count(result));
            }
        }).QuickCheckThrowOnFailure();
    }

    private static ProbeDefinition Probe(int good, int bad, int warn) => new()
    {
        Type = ProbeDefinition.TcpType,
        SuccessBeforePassing = good,
        FailuresBeforeCritical = bad,
        FailuresBeforeWarning = warn,
    };
}
