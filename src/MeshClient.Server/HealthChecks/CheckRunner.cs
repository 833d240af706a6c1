using System.Net;
using MeshClient.Server.Api;
using MeshClient.Server.Hosting;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.HealthChecks;

/// <summary>
/// Runs the checks that are the server's work: HTTP, TCP and gRPC checks ask their target at intervals, alias checks say what
/// another service says. Each has a loop of its own with one probe at a time, so a target that hangs holds up its own check
/// only, and that until its time is over.
/// </summary>
/// <remarks>
/// The first probe comes at a random moment within the interval, so that checks registered together, or loaded together at
/// the start, do not ask together. Which loops run follows from the state alone, as with <see cref="TtlMonitor"/>.
/// </remarks>
internal sealed class CheckRunner(
    StateStore store, Jitter jitter, TimeProvider time, ServerMetrics metrics, ILogger<CheckRunner> logger) : IDisposable
{
    /// <summary>How long an alias waits at a time. Nothing depends on it: a change ends the wait.</summary>
    private static readonly TimeSpan AliasWait = TimeSpan.FromHours(1);

    private readonly Dictionary<string, Loop> _loops = new(StringComparer.Ordinal);
    private readonly NameLookUp _names = new(Dns.GetHostAddresses);
    private readonly Lock _gate = new();
    private bool _stopped;

    /// <summary>How many checks are run.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _loops.Count;
            }
        }
    }

    /// <summary>Brings the loop of a check in line with the state; one whose definition is unchanged goes on undisturbed.</summary>
    public void Follow(string checkId)
    {
        lock (_gate)
        {
            var probe = _stopped ? null : store.Current.Catalog.FindCheck(checkId, out _)?.Probe;
            if (_loops.TryGetValue(checkId, out var loop))
            {
                if (loop.Probe == probe)
                {
                    return;
                }

                _loops.Remove(checkId);
                loop.Dispose();
            }

            if (probe is not null)
            {
                loop = new Loop(checkId, probe);
                _loops.Add(checkId, loop);
                _ = RunAsync(loop);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            foreach (var loop in _loops.Values)
            {
                loop.Dispose();
            }

            _loops.Clear();
        }
    }

    private async Task RunAsync(Loop loop)
    {
        try
        {
            await (loop.Probe.Type == ProbeDefinition.AliasType ? FollowTargetAsync(loop) : AskTargetAsync(loop)).ConfigureAwait(false);
        }
        catch (RequestRefusedException)
        {
            // The check went away. It may be back by now, defined as before, and whoever brought it back saw this loop still run.
            Forget(loop);
            Follow(loop.CheckId);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // Told to end, or the whole server went away meanwhile.
        }
        catch (Exception e)
        {
            // Nobody waits for it, so without this line nobody would know that the check no longer runs.
            Log.CheckEnded(logger, e, loop.CheckId);
        }
    }

    private void Forget(Loop loop)
    {
        lock (_gate)
        {
            if (_loops.TryGetValue(loop.CheckId, out var current) && current == loop)
            {
                _loops.Remove(loop.CheckId);
                loop.Dispose();
            }
        }
    }

    private async Task AskTargetAsync(Loop loop)
    {
        using var prober = Prober.Create(loop.Probe, _names);
        var threshold = new ProbeThreshold(loop.Probe);
        await Task.Delay(jitter.PartOf(loop.Probe.Interval), time, loop.Stopping).ConfigureAwait(false);
        while (true)
        {
            var result = await AskAsync(prober, loop).ConfigureAwait(false);
            if (threshold.Count(result.Status) is { } status)
            {
                await ReportAsync(loop, result with { Status = status }).ConfigureAwait(false);
            }

            await Task.Delay(loop.Probe.Interval, time, loop.Stopping).ConfigureAwait(false);
        }
    }

    private async Task<ProbeResult> AskAsync(Prober prober, Loop loop)
    {
        var started = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(loop.Probe.Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, loop.Stopping);
        ProbeResult result;
        try
        {
            result = await prober.ProbeAsync(both.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Log.ProbeFailed(logger, e, loop.CheckId);
            result = new ProbeResult(CheckStatus.Critical, e.Message);
        }

        loop.Stopping.ThrowIfCancellationRequested();
        metrics.ProbeDone(loop.Probe.Type, result.Status, time.GetElapsedTime(started));
        return result;
    }

    private async Task FollowTargetAsync(Loop loop)
    {
        // Away from the caller, who holds the lock.
        await Task.Yield();
        while (true)
        {
            var topic = TopicOf(loop.Probe);
            using var watch = store.Watches.Begin([topic]);
            if (TopicOf(loop.Probe) != topic)
            {
                // It came, went or changed its name before the watch began.
                continue;
            }

            var catalog = store.Current.Catalog;
            await ReportAsync(loop, AliasVerdict.Of(catalog, catalog.LocalName, loop.CheckId, loop.Probe)).ConfigureAwait(false);
            var outcome = await watch.WaitAsync(AliasWait, time, loop.Stopping).ConfigureAwait(false);
            if (outcome is WatchOutcome.Closed or WatchOutcome.Abandoned)
            {
                return;
            }
        }
    }

    // A node's own checks touch every service on it, so a service that is there is all that has to be watched.
    private Topic TopicOf(ProbeDefinition alias)
    {
        var catalog = store.Current.Catalog;
        var node = AliasVerdict.NodeOf(catalog.LocalName, alias);
        return catalog.Nodes.TryGetValue(node, out var entry) && entry.Instances.TryGetValue(alias.AliasService, out var instance)
            ? Topic.Service(instance.Name)
            : Topic.NodeNamed(node);
    }

    private async Task ReportAsync(Loop loop, ProbeResult result)
    {
        var before = store.Current.Catalog.FindCheck(loop.CheckId, out _)?.Status;
        try
        {
            var output = ReadRules.CutOutput(result.Output, loop.Probe.OutputMaxSize);
            await store.ApplyAsync(new SetCheckStatus(loop.CheckId, result.Status, output, time.GetUtcNow(), loop.Probe)).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            // It is not stored, so it has not happened; the next one tries again.
            Log.CheckNotStored(logger, e, loop.CheckId);
            return;
        }

        if (before != result.Status)
        {
            Log.CheckTurned(logger, result.Status == CheckStatus.Critical ? LogLevel.Warning : LogLevel.Information, loop.CheckId, result.Status);
        }
    }

    private sealed class Loop : IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public Loop(string checkId, ProbeDefinition probe)
        {
            (CheckId, Probe) = (checkId, probe);
            Stopping = _stopping.Token;
        }

        public string CheckId { get; }

        public ProbeDefinition Probe { get; }

        public CancellationToken Stopping { get; }

        /// <summary>Tells it to end.</summary>
        public void Dispose()
        {
            _stopping.Cancel();
            _stopping.Dispose();
        }
    }
}
