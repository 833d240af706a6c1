using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Identity;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Identity;

public sealed class ForeignBundlesTests
{
    [Fact(Timeout = Eventually.TestLimit)]
    public async Task FailureOf_RootsThatCannotBeRead_IsKnownWhenTheyCountAsTried()
    {
        var told = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var bundles = new ForeignBundles([new ForeignTrustDomain("partner.test", new Unreadable())]);

        bundles.Start(
            new WatchRunner(new FakeTimeProvider(), new MeshRandom(1), NullLogger<WatchRunner>.Instance),
            () => told.TrySetResult(bundles.AreTried ? bundles.FailureOf("partner.test") : null));

        Assert.IsType<IOException>(await told.Task.BoundedAsync());
    }

    private sealed class Unreadable : ITrustBundleSource
    {
        public Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken) =>
            throw new IOException("The volume is gone.");
    }
}
