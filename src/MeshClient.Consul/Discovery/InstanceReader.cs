using System.Collections.Concurrent;
using MeshClient.Consul.Model;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Logging;

namespace MeshClient.Consul.Discovery;

/// <summary>
/// Reads and watches the instances of a service.
/// </summary>
/// <remarks>
/// Consul spreads a service over two lists with an index each (see <see cref="InstanceMerger"/>), and waking by one says
/// nothing about the other. Which of them is watched depends on what was found, and is kept in the mark:
/// <list type="table">
/// <item><term>only native instances</term><description><c>health/service</c> alone, for the full wait. A native service
/// without plain instances has no proxies either, so the other list is not even read: one query per change, one connection
/// per watch. What this product registers is of this kind.</description></item>
/// <item><term>proxies, or native and plain ones</term><description><c>health/connect</c>, for at most 30 s, and
/// <c>health/service</c> is read again after each answer. What is in the mesh is seen at once; a change of plain instances
/// beside it within 30 s.</description></item>
/// <item><term>only plain instances, or none</term><description>both lists at once, for the full wait; the first that changes
/// ends the other. So the first instance of whatever kind is seen at once, and so is a proxy that is registered a moment
/// after what it stands before. Costs two places among the parked queries.</description></item>
/// </list>
/// In the last case the mark keeps the index of <c>health/service</c> only. The other list is known to have been empty, so it
/// is read first without an index, and watched from there if it still is.
/// </remarks>
internal sealed class InstanceReader(ConsulTransport transport, ConsulOptions options, ILogger logger)
{
    private const int NativeKind = 1;
    private const int MeshKind = 2;
    private const int PlainKind = 3;

    private readonly ConcurrentDictionary<ServiceName, string> _reported = new();

    public async Task<Watched<ServiceSnapshot>> ReadAsync(ServiceName service, ulong opaque, CancellationToken cancellationToken)
    {
        var mark = WatchMark.FromOpaque(opaque);
        var (result, next) = mark.IsRestart
            ? await ReadFirstAsync(service, cancellationToken).ConfigureAwait(false)
            : mark.Kind switch
            {
                NativeKind => await WatchNativeAsync(service, mark.Index, cancellationToken).ConfigureAwait(false),
                MeshKind => await WatchMeshAsync(service, mark.Index, cancellationToken).ConfigureAwait(false),
                _ => await WatchPlainAsync(service, mark.Index, cancellationToken).ConfigureAwait(false),
            };

        var problems = new List<string>();
        var snapshot = InstanceMerger.Merge(service, result.ByName, result.InMesh, problems);
        Report(service, problems);
        return new Watched<ServiceSnapshot>(snapshot, next.ToOpaque());
    }

    private async Task<(Lists, WatchMark)> ReadFirstAsync(ServiceName service, CancellationToken cancellationToken)
    {
        var byName = await GetAsync(ByNamePath(service), cancellationToken).ConfigureAwait(false);
        return await CompleteAsync(service, null, byName, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(Lists, WatchMark)> WatchNativeAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        var byName = await ParkAsync(ByNamePath(service), index, options.Wait, cancellationToken).ConfigureAwait(false);
        return await CompleteAsync(service, index, byName, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(Lists, WatchMark)> WatchMeshAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        var inMesh = await ParkAsync(InMeshPath(service), index, ConsulDefaults.SecondLook, cancellationToken).ConfigureAwait(false);
        var byName = await GetAsync(ByNamePath(service), cancellationToken).ConfigureAwait(false);
        return (new Lists(byName.Entries, inMesh.Entries), Next(null, byName, index, inMesh));
    }

    private async Task<(Lists, WatchMark)> WatchPlainAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        var inMesh = await GetAsync(InMeshPath(service), cancellationToken).ConfigureAwait(false);
        if (inMesh.Entries.Count == 0)
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var byNameTask = ParkAsync(ByNamePath(service), index, options.Wait, both.Token);
            var inMeshTask = ParkAsync(InMeshPath(service), inMesh.Index ?? 1, options.Wait, both.Token);
            var first = await Task.WhenAny(byNameTask, inMeshTask).ConfigureAwait(false);
            try
            {
                if (first == byNameTask)
                {
                    var changed = await byNameTask.ConfigureAwait(false);
                    return await CompleteAsync(service, index, changed, cancellationToken).ConfigureAwait(false);
                }

                inMesh = await inMeshTask.ConfigureAwait(false);
            }
            finally
            {
                await both.CancelAsync().ConfigureAwait(false);
                await ((Task)Task.WhenAll(byNameTask, inMeshTask)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        var byName = await GetAsync(ByNamePath(service), cancellationToken).ConfigureAwait(false);
        return (new Lists(byName.Entries, inMesh.Entries), Next(index, byName, null, inMesh));
    }

    /// <summary>Adds the other list to <c>health/service</c> where it can tell more.</summary>
    private async Task<(Lists, WatchMark)> CompleteAsync(
        ServiceName service, ulong? previous, Answer byName, CancellationToken cancellationToken)
    {
        if (InstanceMerger.IsAllNative(byName.Entries))
        {
            return (new Lists(byName.Entries, []), WatchMark.After(previous, byName.Index, NativeKind));
        }

        var inMesh = await GetAsync(InMeshPath(service), cancellationToken).ConfigureAwait(false);
        return (new Lists(byName.Entries, inMesh.Entries), Next(previous, byName, null, inMesh));
    }

    private static WatchMark Next(ulong? previousByName, Answer byName, ulong? previousInMesh, Answer inMesh)
    {
        if (InstanceMerger.IsAllNative(byName.Entries) && inMesh.Entries.All(entry => entry.Service?.IsNative == true))
        {
            return WatchMark.After(previousByName, byName.Index, NativeKind);
        }

        return inMesh.Entries.Count > 0
            ? WatchMark.After(previousInMesh, inMesh.Index, MeshKind)
            : WatchMark.After(previousByName, byName.Index, PlainKind);
    }

    private async Task<Answer> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var answer = await transport.GetAsync(path, cancellationToken).ConfigureAwait(false);
        return Answer.Read(answer);
    }

    private async Task<Answer> ParkAsync(string path, ulong index, TimeSpan longest, CancellationToken cancellationToken)
    {
        using var answer = await transport.ParkAsync(path, index, longest, cancellationToken).ConfigureAwait(false);
        return Answer.Read(answer);
    }

    private string ByNamePath(ServiceName service) => $"v1/health/service/{service.Value}{Datacenter}";

    private string InMeshPath(ServiceName service) => $"v1/health/connect/{service.Value}{Datacenter}";

    private string Datacenter => options.Datacenter is null ? string.Empty : $"?dc={options.Datacenter}";

    private void Report(ServiceName service, List<string> problems)
    {
        if (problems.Count == 0)
        {
            _reported.TryRemove(service, out _);
            return;
        }

        // The same list comes again with every answer; only a new problem is news.
        var text = string.Join("; ", problems);
        if (!_reported.TryGetValue(service, out var before) || before != text)
        {
            _reported[service] = text;
            ConsulLog.InstancesLeftOut(logger, service.Value, text);
        }
    }

    private sealed record Lists(IReadOnlyList<HealthEntry> ByName, IReadOnlyList<HealthEntry> InMesh);

    private sealed record Answer(IReadOnlyList<HealthEntry> Entries, ulong? Index)
    {
        public static Answer Read(ConsulAnswer answer)
        {
            HealthEntry[] entries = [.. (WireJson.Read(answer, WireJson.Default.HealthEntryArray) ?? []).OfType<HealthEntry>()];

            // Without the right to see a service, its list is empty. That must not look like a service without instances.
            return entries.Length == 0 && answer.IsFiltered
                ? throw new ControlPlaneException(
                    ControlPlaneFailure.Forbidden, $"{answer.Call} was answered with nothing, because the token gives no right to see it.")
                : new Answer(entries, answer.Index);
        }
    }
}
