using System.Diagnostics;
using System.Globalization;
using MeshClient.FunctionalTests.Grpc;

namespace MeshClient.FunctionalTests.Chaos;

/// <summary>
/// One of three instances goes bad under load, each of them a process of its own behind mutual TLS, and nobody tells the client: no
/// idempotent call fails, and the instance gets no more traffic than single probes. <c>MESHCLIENT_LONG=1</c>: with the default
/// settings and for longer; otherwise with a shorter time for attempts and ejections.
/// </summary>
public sealed class BadInstanceTests(ITestOutputHelper output)
{
    private static readonly bool IsLong = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1";

    private static readonly TimeSpan Observed = TimeSpan.FromSeconds(IsLong ? 45 : 5);

    // Attempts that come closer than this to each other are traffic; what comes later, one by one, finds out whether it is well.
    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(0.5);

    /// <summary>How the instance goes bad.</summary>
    public enum Way
    {
        /// <summary>Killed, with no chance to say goodbye.</summary>
        Kill,

        /// <summary>Stopped: its kernel still takes connections, it answers nothing.</summary>
        Stop,

        /// <summary>Every connection to it is reset.</summary>
        Reset,

        /// <summary>Connections are accepted, and nothing comes back.</summary>
        BlackHole,
    }

    /// <summary>One of three.</summary>
    [Theory]
    [InlineData(Way.Kill)]
    [InlineData(Way.Stop)]
    [InlineData(Way.Reset)]
    [InlineData(Way.BlackHole)]
    public async Task Call_OneOfThreeGoesBad_NoCallFailsAndItGetsProbesOnly(Way way)
    {
        await using var mesh = await ChaosMesh.StartAsync(IsLong ? [] : Short(), way is Way.Reset or Way.BlackHole);
        var victim = mesh.Services[0];
        await using var calls = new SteadyCalls(mesh.Client);
        await calls.WaitForMoreAsync(300);

        var at = TimeProvider.System.GetTimestamp();
        var before = calls.Succeeded;
        await BreakAsync(way, victim);
        await Task.Delay(Observed, TimeProvider.System, Waiting.Cancellation);

        var made = calls.Succeeded - before;
        var offsets = mesh.Log.Attempts(victim.Port, at).Select(one => Seconds(at, one)).ToList();
        var traffic = 0;
        while (traffic < offsets.Count && offsets[traffic] - (traffic == 0 ? 0 : offsets[traffic - 1]) < Gap.TotalSeconds)
        {
            traffic++;
        }

        var probes = offsets.Count - traffic;
        var left = mesh.Log.FirstOut(at);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{way}: the last of {traffic} attempts was sent {(traffic == 0 ? 0 : offsets[traffic - 1]):0.000} s after it went bad, then {probes} single ones in {Observed.TotalSeconds} s; left out {(left is { } one ? $"after {Seconds(at, one.At):0.000} s ({one.Reason})" : "by its load only")}; {made} calls meanwhile."));
        Assert.True(made > 100, $"{made} calls");
        Assert.InRange(probes, 0, IsLong ? 12 : 5);
        if (!IsLong)
        {
            Assert.NotNull(left);
            if (way != Way.Kill)
            {
                await HealAsync(way, victim);
                var healed = TimeProvider.System.GetTimestamp();
                await MeshHosts.WaitUntilAsync(() => Task.FromResult(mesh.Log.Attempts(victim.Port, healed).Count > 20));
            }
        }
        else if (way == Way.Stop)
        {
            await HealAsync(way, victim);
        }

        Assert.Empty(await calls.StopAsync());
    }

    private static async Task HealAsync(Way way, (PeerProcess Process, Relay? Relay, int Port) victim)
    {
        if (way == Way.Stop)
        {
            await SignalAsync("CONT", victim.Process.Id);
        }

        victim.Relay?.Heal();
    }

    private static Dictionary<string, string?> Short() => new()
    {
        ["AttemptTimeout"] = "00:00:01",
        ["ConnectTimeout"] = "00:00:00.500",
        ["Health:BaseEjection"] = "00:00:01.500",
        // Few calls hang before its load alone keeps others away.
        ["Health:ConsecutiveFailures"] = "2",
    };

    private static async Task BreakAsync(Way way, (PeerProcess Process, Relay? Relay, int Port) victim)
    {
        switch (way)
        {
            case Way.Kill:
                await victim.Process.KillAsync();
                break;
            case Way.Stop:
                await SignalAsync("STOP", victim.Process.Id);
                break;
            case Way.Reset:
                victim.Relay!.Reset();
                break;
            default:
                victim.Relay!.Swallow();
                break;
        }
    }

    private static async Task SignalAsync(string signal, int process)
    {
        using var sending = Process.Start("/bin/sh", ["-c", $"kill -{signal} {process}"]);
        await sending.WaitForExitAsync(Waiting.Cancellation).Bounded();
        Assert.Equal(0, sending.ExitCode);
    }

    private static double Seconds(long from, long to) => TimeProvider.System.GetElapsedTime(from, to).TotalSeconds;
}
