using FsCheck;
using FsCheck.Fluent;
using MeshClient.Configuration;
using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class RetryBudgetTests
{
    private readonly FakeTimeProvider _time = new();

    private long Now => _time.GetTimestamp();

    [Fact]
    public void TryWithdraw_NoCalls_AllowsTheReserve() => Assert.Equal(100, Drain(Make(0.2, 10)));

    [Fact]
    public void TryWithdraw_CallsMade_AllowsAFifthOnTop()
    {
        var budget = Make(0.2, 10);
        Deposit(budget, 1000);
        Assert.Equal(300, budget.Balance(Now), 6);
        Assert.Equal(300, Drain(budget));
        Assert.Equal(0, budget.Balance(Now), 6);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 1, 10)]
    [InlineData(1, 0, 50)]
    [InlineData(10, 0, 500)]
    public void TryWithdraw_Settings_AreKept(double ratio, int perSecond, int expected)
    {
        var budget = Make(ratio, perSecond);
        Deposit(budget, 50);
        Assert.Equal(expected, Drain(budget));
    }

    [Fact]
    public void Balance_CallsGrowOld_FallOutOfTheWindow()
    {
        var budget = Make(0.2, 0);
        Deposit(budget, 100);
        _time.Advance(TimeSpan.FromSeconds(8.9));
        Assert.Equal(20, budget.Balance(Now), 6);
        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.Equal(0, budget.Balance(Now), 6);
    }

    [Fact]
    public void Balance_RetriesGrowOld_TheReserveComesBack()
    {
        var budget = Make(0.2, 10);
        Drain(budget);
        _time.Advance(TimeSpan.FromSeconds(8.9));
        Assert.Equal(0, Drain(budget));
        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.Equal(100, Drain(budget));
        _time.Advance(TimeSpan.FromDays(3));
        Assert.Equal(100, Drain(budget));
    }

    [Fact]
    public void TryWithdraw_AnyHistory_StaysWithinTheShareAndTheReserve()
    {
        var step = from calls in Gen.Choose(0, 200) from wishes in Gen.Choose(0, 400) from pause in Gen.Choose(0, 4000) select (calls, wishes, pause);
        Prop.ForAll(Arb.From(step.NonEmptyListOf()), history =>
        {
            var time = new FakeTimeProvider();
            var budget = new RetryBudget(0.2, 10, MeshDefaults.RetryBudgetWindow, time.TimestampFrequency);
            var calls = new List<double>();
            var retries = new List<double>();
            foreach (var (made, wishes, pause) in history)
            {
                time.Advance(TimeSpan.FromMilliseconds(pause));
                var now = (double)time.GetTimestamp() / time.TimestampFrequency;
                for (var i = 0; i < made; i++)
                {
                    budget.Deposit(time.GetTimestamp());
                    calls.Add(now);
                }

                for (var i = 0; i < wishes && budget.TryWithdraw(time.GetTimestamp()); i++)
                {
                    retries.Add(now);
                }

                // Time is counted in ten slots, so nine seconds are sure to be remembered, and ten at the most are.
                Assert.True(
                    retries.LastOrDefault() != now
                    || retries.Count(at => at > now - 9) <= (0.2 * calls.Count(at => at >= now - 10)) + 100 + 1e-6);
                Assert.True(budget.Balance(time.GetTimestamp()) >= 0);
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
    }

    [Fact]
    public void TryWithdraw_AnyHistoryOfAnyBudget_TakesOneOfWhatThereIsAndNothingWhereThereIsNone()
    {
        var step = from deposits in Gen.Choose(0, 30) from pause in Gen.Choose(0, 3000) select (deposits, pause);
        var budgets = from ratio in Gen.Choose(0, 200) from perSecond in Gen.Choose(0, 5) select (Ratio: ratio / 100.0, PerSecond: perSecond);
        Prop.ForAll(Arb.From(budgets), Arb.From(step.NonEmptyListOf()), (settings, history) =>
        {
            var time = new FakeTimeProvider();
            var budget = new RetryBudget(settings.Ratio, settings.PerSecond, MeshDefaults.RetryBudgetWindow, time.TimestampFrequency);
            foreach (var (deposits, pause) in history)
            {
                time.Advance(TimeSpan.FromMilliseconds(pause));
                var now = time.GetTimestamp();
                for (var i = 0; i < deposits; i++)
                {
                    budget.Deposit(now);
                }

                double before;
                do
                {
                    before = budget.Balance(now);
                    Assert.True(before >= 0);
                    Assert.Equal(before >= 1, budget.TryWithdraw(now));
                    Assert.Equal(before >= 1 ? before - 1 : before, budget.Balance(now), 6);
                }
                while (before >= 1);
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
    }

    [Fact]
    public async Task TryWithdraw_ManyThreads_NeverMoreThanThereIs()
    {
        var budget = Make(0.2, 10);
        Deposit(budget, 5000);
        var taken = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Drain(budget))));
        Assert.Equal(1100, taken.Sum());
    }

    private RetryBudget Make(double ratio, int perSecond) =>
        new(ratio, perSecond, MeshDefaults.RetryBudgetWindow, _time.TimestampFrequency);

    private void Deposit(RetryBudget budget, int calls)
    {
        for (var i = 0; i < calls; i++)
        {
            budget.Deposit(Now);
        }
    }

    private int Drain(RetryBudget budget)
    {
        var taken = 0;
        while (taken < 100_000 && budget.TryWithdraw(Now))
        {
            taken++;
        }

        return taken;
    }
}
