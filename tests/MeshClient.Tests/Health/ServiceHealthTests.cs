using MeshClient.Configuration;
using MeshClient.Health;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Health;

public sealed class ServiceHealthTests
{
    private readonly FakeTimeProvider _time = new();

    private long Now => _time.GetTimestamp();

    [Theory]
    [InlineData(0, null, 0)]
    [InlineData(1, null, 0)]
    [InlineData(2, null, 1)]
    [InlineData(9, null, 1)]
    [InlineData(10, null, 1)]
    [InlineData(19, null, 1)]
    [InlineData(20, null, 2)]
    [InlineData(1000, null, 100)]
    [InlineData(10, 0, 0)]
    [InlineData(10, 1, 1)]
    [InlineData(10, 35, 3)]
    [InlineData(10, 100, 10)]
    [InlineData(1, 100, 0)]
    public void TryEject_Instances_AllowsTheShareButAtLeastOneOfTwo(int instances, int? percent, int allowed)
    {
        var health = TestHealth.Make(_time, options: new MeshHealthOptions { MaxEjectionPercent = percent });
        health.Join(instances);
        var ejected = 0;
        while (ejected <= instances && health.TryEject())
        {
            ejected++;
        }

        Assert.Equal(allowed, ejected);
        Assert.Equal(allowed, health.Ejected);
    }

    [Fact]
    public void Returned_PlaceGivenBack_CanBeTakenAgain()
    {
        var health = TestHealth.Make(_time);
        health.Join(2);
        Assert.True(health.TryEject());
        Assert.False(health.TryEject());
        health.Returned();
        Assert.True(health.TryEject());
    }

    [Fact]
    public void Leave_BelowWhatIsEjected_RefusesUntilEnoughCameBack()
    {
        var health = TestHealth.Make(_time);
        var all = health.Join(30);
        foreach (var one in all[..3])
        {
            one.Fail(5, Now);
        }

        Assert.Equal(3, health.Ejected);
        foreach (var one in all[10..])
        {
            one.SetListed(false);
        }

        all[3].Fail(5, Now);
        Assert.False(all[3].IsEjected);
        all[0].SetListed(false);
        all[1].SetListed(false);
        all[3].Fail(1, Now);
        Assert.False(all[3].IsEjected);
        all[2].SetListed(false);
        all[3].Fail(1, Now);
        Assert.True(all[3].IsEjected);
    }

    [Fact]
    public async Task TryEject_ManyThreads_NeverExceedsTheShare()
    {
        var health = TestHealth.Make(_time);
        health.Join(50);
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50_000; i++)
            {
                if (health.TryEject())
                {
                    var now = health.Ejected;
                    if (now > Volatile.Read(ref most))
                    {
                        Volatile.Write(ref most, now);
                    }

                    health.Returned();
                }
            }
        })));
        Assert.InRange(most, 1, 5);
        Assert.Equal(0, health.Ejected);
    }

    [Theory]
    [InlineData(2, 1, false)]
    [InlineData(3, 1, false)]
    [InlineData(3, 2, true)]
    [InlineData(4, 2, false)]
    [InlineData(4, 3, true)]
    [InlineData(1, 1, true)]
    public void IsPanicking_LessThanHalfFit_IsTrue(int instances, int outOfThem, bool expected)
    {
        var health = TestHealth.Make(_time, options: new MeshHealthOptions { MaxEjectionPercent = 100 });
        foreach (var one in health.Join(instances)[..outOfThem])
        {
            one.Checked(isHealthy: false, Now);
        }

        Assert.Equal(expected, health.IsPanicking);
    }

    [Fact]
    public void IsPanicking_TooFewFit_EjectedAndUnhealthyAreCalledButNotTheUnreachableNorImpostors()
    {
        var health = TestHealth.Make(_time, options: new MeshHealthOptions { MaxEjectionPercent = 100 });
        var all = health.Join(5);
        all[0].Fail(5, Now);
        all[1].Checked(isHealthy: false, Now);
        Assert.Equal((false, false), (all[0].IsIn(Now), all[1].IsIn(Now)));
        Assert.Equal(Admission.Refused, all[0].TryEnter(Now));
        all[2].ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        all[3].ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: true);

        Assert.True(health.IsPanicking);
        Assert.Equal([true, true, false, false, true], all.Select(one => one.IsIn(Now)));
        Assert.Equal(
            [Admission.Panic, Admission.Panic, Admission.Refused, Admission.Refused, Admission.Ordinary],
            all.Select(one => one.TryEnter(Now)));
        // An answer to a call sent in panic readmits nobody: the one probe does.
        all[0].Succeeded(Admission.Panic, Now);
        Assert.True(all[0].IsEjected);
        all[2].SetListed(false);
        all[3].SetListed(false);
        all[1].Checked(isHealthy: true, Now);
        Assert.False(health.IsPanicking);
        Assert.False(all[0].IsIn(Now));
    }

    [Fact]
    public void IsPanicking_PanicOff_NeverIs()
    {
        var health = TestHealth.Make(_time, options: new MeshHealthOptions { PanicPercent = 0 });
        foreach (var one in health.Join(3))
        {
            one.Checked(isHealthy: false, Now);
        }

        Assert.False(health.IsPanicking);
    }

    [Fact]
    public void Compare_OneFailsMoreThanItsPeers_IsEjectedAsTheOddOneOut()
    {
        var (health, all) = Fleet(10);
        Mix(all[..9], successes: 200, failures: 2);
        Mix(all[9..], successes: 180, failures: 22);
        Assert.Equal(EjectionReason.Outlier, all[9].Reason);
        Assert.Equal(1, health.Ejected);
    }

    [Theory]
    [InlineData(4, 200, 22)]
    [InlineData(10, 60, 8)]
    [InlineData(10, 200, 5)]
    public void Compare_TooFewInstancesOrCallsOrFailures_EjectsNobody(int instances, int successes, int failures)
    {
        var (health, all) = Fleet(instances);
        Mix(all[..^1], successes, failures: 0);
        Mix(all[^1..], successes, failures);
        Assert.Equal(0, health.Ejected);
    }

    [Fact]
    public void Compare_AllFailAlike_EjectsNobody()
    {
        var (health, all) = Fleet(10);
        Mix(all, successes: 150, failures: 50);
        Assert.Equal(0, health.Ejected);
    }

    [Fact]
    public void Compare_SeveralOutliers_TheWorstTakesTheOnlyPlace()
    {
        var (health, all) = Fleet(16, new MeshHealthOptions { SuccessRate = 0, ConsecutiveFailures = 0, FailurePercentage = 0 });
        Mix(all[..14], successes: 200, failures: 0);
        Mix(all[14..15], successes: 150, failures: 50, compare: false);
        Mix(all[15..], successes: 100, failures: 100);
        Assert.Equal((EjectionReason.None, EjectionReason.Outlier, 1), (all[14].Reason, all[15].Reason, health.Ejected));
    }

    [Fact]
    public void Compare_NearlyAllCallsFail_IsEjectedWhateverTheSpread()
    {
        var (_, all) = Fleet(6, new MeshHealthOptions { SuccessRate = 0, ConsecutiveFailures = 0, OutlierDeviation = 0 });
        Mix(all[..5], successes: 200, failures: 0);
        Mix(all[5..], successes: 10, failures: 50, compare: false);
        Assert.Equal(EjectionReason.None, all[5].Reason);
        Mix(all[5..], successes: 0, failures: 30);
        Assert.Equal(EjectionReason.FailurePercentage, all[5].Reason);
    }

    private (ServiceHealth Health, EjectionState[] All) Fleet(int count, MeshHealthOptions? options = null)
    {
        var health = TestHealth.Make(_time, options: options ?? new MeshHealthOptions { SuccessRate = 0, ConsecutiveFailures = 0 });
        return (health, health.Join(count));
    }

    // The comparison is due once in 10 s, and runs with a failure.
    private void Mix(EjectionState[] states, int successes, int failures, bool compare = true)
    {
        foreach (var state in states)
        {
            state.Succeed(successes, Now);
            state.Fail(failures, Now);
        }

        if (compare)
        {
            _time.Advance(MeshDefaults.PeerComparisonInterval);
            states[^1].Fail(1, Now);
        }
    }
}
