using System.Globalization;

namespace MeshClient.FunctionalTests.Rotation;

/// <summary>Alone, because it counts what the whole process holds.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>
/// Certificates of all members renewed every second and the root ten times, under every kind of call. No call may fail, and when
/// the caller is gone nothing may be left of it. <c>MESHCLIENT_LONG=1</c> makes it two minutes instead of some seconds, in which
/// the first roots also go.
/// </summary>
[Collection(nameof(Alone))]
public sealed class RotationSoakTests
{
    private const int Rotations = 10;

    // Of each server the one in force, the one coming, the one whose end is watched, one that a handshake was the last to use, and one
    // that was replaced after the last collection. What is kept for good would be dozens.
    private const int MostLeaves = 10;

    // Both ends of two connections to the registry more than before: it is asked as often as there is something to ask, and the
    // servers keep such a connection for a while. Those of the mesh that a run makes are more than a hundred.
    private const int RegistrySockets = 4;
    private static readonly bool IsLong = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1";
    private static readonly TimeSpan LeafInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeafLifetime = IsLong ? TimeSpan.FromSeconds(15) : TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RootInterval = IsLong ? TimeSpan.FromSeconds(12) : TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StreamLength = IsLong ? TimeSpan.FromSeconds(10) : TimeSpan.FromSeconds(3);

    [Fact]
    public async Task Rotation_LeafEverySecondAndRootTenTimesUnderMixedLoad_LosesNoCallAndLeavesNothing()
    {
        await using var mesh = await RotatingMesh.StartAsync(LeafInterval, LeafLifetime);
        // The first run of anything leaves caches and compiled code behind; what counts is that the next leaves no more.
        await RunAsync(mesh, rotations: 2, TimeSpan.Zero, RotatingMesh.Beat * 10);
        var before = await SettleAsync(mesh, null);

        using var handshakes = new HandshakeCounter();
        var since = TimeProvider.System.GetTimestamp();
        var (done, failed, failures) = await RunAsync(mesh, Rotations, RootInterval, StreamLength);
        var took = TimeProvider.System.GetElapsedTime(since);
        var after = await SettleAsync(mesh, before);

        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"""
            {took.TotalSeconds:F0} s, {Rotations} roots, {mesh.Leaves} certificates, {handshakes.Succeeded} handshakes, {handshakes.Failed} failed.
            {string.Join(", ", done.Select(kind => $"{kind.Key}: {kind.Value}"))}, {failed} failed.
            Before: {before}.
            After: {after}. {mesh.LeavesAlive} certificates alive.
            """));
        Assert.True(failed == 0, $"{failed} failed, first: {string.Join(Environment.NewLine, failures)}");
        Assert.Equal(6, done.Count);
        Assert.Equal(0, handshakes.Failed);
        Assert.True(after.Sockets <= before.Sockets + RegistrySockets, $"{before.Sockets} sockets before, {after.Sockets} after.");
        // Assemblies are files, too, and some are loaded late.
        Assert.True(after.Handles <= before.Handles + RegistrySockets + 8, $"{before.Handles} handles before, {after.Handles} after.");
        // The pools of buffers of the runtime and the server keep what a peak needed.
        Assert.True(after.HeapBytes < before.HeapBytes + (16 << 20), $"Before: {before}. After: {after}.");
        Assert.True(mesh.LeavesAlive <= MostLeaves, $"{mesh.LeavesAlive} certificates are held.");
    }

    private static async Task<(IReadOnlyDictionary<string, int> Done, int Failed, IReadOnlyCollection<string> Failures)> RunAsync(
        RotatingMesh mesh, int rotations, TimeSpan pause, TimeSpan streamLength)
    {
        using var host = await mesh.StartWebAsync();
        await using var load = new MixedLoad(host.Services, streamLength);
        for (var i = 0; i < rotations; i++)
        {
            await mesh.RotateRootAsync();
            await Task.Delay(pause, TimeProvider.System, MeshHosts.Cancellation);
        }

        await MeshHosts.WaitUntilAsync(() => Task.FromResult(load.Done.Count + load.Failed >= 6));
        await load.StopAsync();
        await host.StopAsync(MeshHosts.Cancellation);
        return (load.Done, load.Failed, load.Failures);
    }

    // Connections that were let go are closed by the other end a moment later.
    private static async Task<ProcessCounts> SettleAsync(RotatingMesh mesh, ProcessCounts? bound)
    {
        var counts = ProcessCounts.Take();
        var limit = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(limit) < TimeSpan.FromSeconds(bound is null ? 3 : 10)
            && (bound is null || counts.Sockets > bound.Sockets + RegistrySockets || mesh.LeavesAlive > MostLeaves))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, MeshHosts.Cancellation);
            counts = ProcessCounts.Take();
        }

        return counts;
    }
}
