using MeshClient.Health;

namespace MeshClient.Tests.Health;

public sealed class EjectionQuotaTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(9, 1)]
    [InlineData(10, 1)]
    [InlineData(19, 1)]
    [InlineData(20, 2)]
    [InlineData(1000, 100)]
    public void TryEject_Instances_AllowsATenthButAtLeastOneOfTwo(int instances, int allowed)
    {
        var quota = new EjectionQuota();
        quota.Resize(instances);
        var ejected = 0;
        while (ejected <= instances && quota.TryEject())
        {
            ejected++;
        }

        Assert.Equal(allowed, ejected);
        Assert.Equal(allowed, quota.Ejected);
    }

    [Fact]
    public void Returned_PlaceGivenBack_CanBeTakenAgain()
    {
        var quota = new EjectionQuota();
        quota.Resize(2);
        Assert.True(quota.TryEject());
        Assert.False(quota.TryEject());
        quota.Returned();
        Assert.True(quota.TryEject());
    }

    [Fact]
    public void Resize_BelowWhatIsEjected_RefusesUntilEnoughCameBack()
    {
        var quota = new EjectionQuota();
        quota.Resize(30);
        Assert.True(quota.TryEject() && quota.TryEject() && quota.TryEject());
        quota.Resize(10);
        Assert.False(quota.TryEject());
        quota.Returned();
        quota.Returned();
        Assert.False(quota.TryEject());
        quota.Returned();
        Assert.True(quota.TryEject());
    }

    [Fact]
    public async Task TryEject_ManyThreads_NeverExceedsTheQuota()
    {
        var quota = new EjectionQuota();
        quota.Resize(50);
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50_000; i++)
            {
                if (quota.TryEject())
                {
                    var now = quota.Ejected;
                    if (now > Volatile.Read(ref most))
                    {
                        Volatile.Write(ref most, now);
                    }

                    quota.Returned();
                }
            }
        })));
        Assert.InRange(most, 1, 5);
        Assert.Equal(0, quota.Ejected);
    }
}
