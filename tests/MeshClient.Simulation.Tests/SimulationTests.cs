using MeshClient.Configuration;
using MeshClient.Simulation.Experiments;

// A simulation cuts the thread pool down, and waits until it has nothing to do.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace MeshClient.Simulation.Tests;

/// <summary>What the README says of the simulations.</summary>
public sealed class SimulationTests
{
    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [InlineData(3UL)]
    public async Task Pause_PeakEwma_LosesAtMostOneCallInAThousand(ulong seed)
    {
        var roundRobin = await ExperimentList.Pause.RunAsync(seed, Strategy.RoundRobin);
        var peakEwma = await ExperimentList.Pause.RunAsync(seed, Strategy.PeakEwma);

        Assert.True(peakEwma.Calls.Success() >= 0.999, $"{peakEwma.Calls.Success()}");
        Assert.True(roundRobin.Calls.Success() < 0.995, $"{roundRobin.Calls.Success()}");
    }

    [Fact]
    public void Pause_OfLinkerdsAuthors_HasItsFiveStrategiesAndSetting()
    {
        Assert.Superset(
            new HashSet<Strategy>([Strategy.RoundRobin, Strategy.LeastRequest, Strategy.PeakEwma, Strategy.PeakEwmaWithEjection, Strategy.PeakEwmaWithHedging]),
            ExperimentList.Pause.Strategies.ToHashSet());
        var setting = ExperimentList.Pause.Setting(1);
        Assert.Equal((11, 1000.0, TimeSpan.FromSeconds(1)), (setting.Fleet.Count, setting.Rate, setting.Timeout));
        Assert.Equal(TimeSpan.FromSeconds(2), Assert.Single(setting.Fleet.SelectMany(instance => instance.Pauses)).Length);
    }

    [Fact]
    public async Task Pause_SameSeed_GivesTheSameRun()
    {
        var first = await ExperimentList.Pause.RunAsync(4, Strategy.PeakEwmaWithHedging);
        var second = await ExperimentList.Pause.RunAsync(4, Strategy.PeakEwmaWithHedging);

        Assert.Equal(first.Arrived, second.Arrived);
        Assert.Equal(first.Calls.Success(), second.Calls.Success());
        for (var percent = 0.5; percent < 100; percent += 0.5)
        {
            Assert.Equal(first.Calls.Percentile(percent), second.Calls.Percentile(percent));
        }

        var other = await ExperimentList.Pause.RunAsync(5, Strategy.PeakEwmaWithHedging);
        Assert.NotEqual(first.Arrived, other.Arrived);
    }

    [Fact]
    public async Task Slow_Hedging_CutsTheTail()
    {
        var without = await ExperimentList.Slow.RunAsync(1, Strategy.PeakEwma);
        var with = await ExperimentList.Slow.RunAsync(1, Strategy.PeakEwmaWithHedging);

        Assert.True(with.Calls.Percentile(99.9) < without.Calls.Percentile(99.9));
        // What it may cost is one call in twenty.
        Assert.InRange(with.AttemptsPerCall, 1, 1.06);
    }

    [Fact]
    public async Task FailingFast_PeakEwma_GivesItNextToNothing()
    {
        var outcome = await ExperimentList.FailingFast.RunAsync(1, Strategy.PeakEwma);

        Assert.True(outcome.Calls.Success() >= 0.999, $"{outcome.Calls.Success()}");
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [InlineData(3UL)]
    public async Task Cold_PeakEwma_HasTheTailOfAWarmFleet(ulong seed)
    {
        var roundRobin = await ExperimentList.Cold.RunAsync(seed, Strategy.RoundRobin);
        var peakEwma = await ExperimentList.Cold.RunAsync(seed, Strategy.PeakEwma);

        // An instance that is warm has its 99th percentile at 80 ms.
        Assert.InRange(peakEwma.Calls.Percentile(99).TotalMilliseconds, 70, 90);
        Assert.True(roundRobin.Calls.Percentile(99) > 2.5 * peakEwma.Calls.Percentile(99), $"{roundRobin.Calls.Percentile(99)}");
        Assert.True(roundRobin.Calls.Percentile(99.9) > 3 * peakEwma.Calls.Percentile(99.9), $"{peakEwma.Calls.Percentile(99.9)}");
        Assert.True(peakEwma.Calls.Success() >= 0.9998, $"{peakEwma.Calls.Success()}");
        Assert.True(roundRobin.Calls.Success() < 0.9998, $"{roundRobin.Calls.Success()}");
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [InlineData(3UL)]
    public async Task Cold_SlowStart_HalvesTheTailOfRoundRobin(ulong seed)
    {
        var without = await ExperimentList.Cold.RunAsync(seed, Strategy.RoundRobin);
        var with = await ExperimentList.Cold.RunAsync(seed, Strategy.RoundRobinWithSlowStart);

        Assert.True(with.Calls.Percentile(99) < 0.55 * without.Calls.Percentile(99), $"{with.Calls.Percentile(99)} and {without.Calls.Percentile(99)}");
        Assert.True(with.Calls.Percentile(99.9) < 0.8 * without.Calls.Percentile(99.9), $"{with.Calls.Percentile(99.9)} and {without.Calls.Percentile(99.9)}");
        Assert.True(with.Calls.Success() > without.Calls.Success(), $"{with.Calls.Success()} and {without.Calls.Success()}");
        // A growing share for ten seconds is half of the full one: of an eleventh of 10 000 calls.
        Assert.InRange(without.Arrived[0] - with.Arrived[0], 0.8 * 10_000 / 22, 1.2 * 10_000 / 22);
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [InlineData(3UL)]
    public async Task Flapping_PeakEwmaWithEjection_GivesItNextToNothingAndLosesNextToNothing(ulong seed)
    {
        var roundRobin = await ExperimentList.Flapping.RunAsync(seed, Strategy.RoundRobin);
        var ejection = await ExperimentList.Flapping.RunAsync(seed, Strategy.PeakEwmaWithEjection);

        // An eleventh of the calls go to it, and half of these fail.
        Assert.InRange(ShareOfFirst(roundRobin), 0.99 / 11, 1.01 / 11);
        Assert.InRange(1 - roundRobin.Calls.Success(), 0.9 / 22, 1.1 / 22);
        // It is tried, but hardly.
        Assert.InRange(ShareOfFirst(ejection), 1e-5, 0.005);
        Assert.True(ejection.Calls.Success() >= 0.9998, $"{ejection.Calls.Success()}");
    }

    [Fact]
    public async Task Flapping_AllDefaults_LosesNothing()
    {
        var outcome = await ExperimentList.Flapping.RunAsync(1, Strategy.Default);

        Assert.Equal(1, outcome.Calls.Success());
        // What it costs is a retry now and then.
        Assert.InRange(outcome.AttemptsPerCall, 1, 1.001);
    }

    [Fact]
    public async Task Overload_AdaptiveLimit_AnswersAsMuchAsTheFleetCan()
    {
        var without = await ExperimentList.Overload.RunAsync(1, Strategy.PeakEwma);
        var with = await ExperimentList.Overload.RunAsync(1, Strategy.PeakEwmaWithAdaptiveLimit);

        var (from, to) = ExperimentList.Overload.Trouble;
        Assert.True(without.Calls.Success(from, to) < 0.25, $"{without.Calls.Success(from, to)}");
        // 4 000 come and some 2 200 can be served.
        Assert.True(with.Calls.Success(from, to) > 0.45, $"{with.Calls.Success(from, to)}");
    }

    [Fact]
    public async Task RetryStorm_Budget_BoundsAttemptsAndLetsTheSystemRecover()
    {
        var outcome = await RetryStorm.RunAsync(1, MeshDefaults.RetryBudgetRatio);

        for (var tier = 0; tier < 3; tier++)
        {
            var bound = (1.2 * outcome.Wanted[tier]) + (MeshDefaults.RetryBudgetPerSecond * (RetryStorm.Length + MeshDefaults.RetryBudgetWindow).TotalSeconds);
            Assert.True(outcome.Attempts[tier] <= bound, $"tier {tier + 1}: {outcome.Attempts[tier]} attempts for {outcome.Wanted[tier]} calls");

            // In the worst of it too, when what the ten seconds before it have paid in is spent as well.
            var (calls, attempts) = outcome.During[tier];
            var allowed = (1.2 * calls) + (0.2 * outcome.Before[tier].Wanted)
                + (MeshDefaults.RetryBudgetPerSecond * (RetryStorm.FaultTo - RetryStorm.FaultFrom + MeshDefaults.RetryBudgetWindow).TotalSeconds);
            Assert.True(attempts <= allowed, $"tier {tier + 1}: {attempts} attempts for {calls} calls while the fault lasted");
        }

        Assert.True(outcome.Calls.Success(RetryStorm.RecoveredBy, RetryStorm.Length) >= 0.999);
    }

    [Fact]
    public async Task RetryStorm_NoBudget_MultipliesTheLoad()
    {
        var with = await RetryStorm.RunAsync(1, MeshDefaults.RetryBudgetRatio);
        var without = await RetryStorm.RunAsync(1, null);

        // Over a run of which the fault lasts less than a quarter.
        Assert.True(without.Attempts[2] > 1.4 * with.Attempts[2], $"{without.Attempts[2]} and {with.Attempts[2]}");
    }

    private static double ShareOfFirst(Outcome outcome) => (double)outcome.Arrived[0] / outcome.Arrived.Sum();
}
