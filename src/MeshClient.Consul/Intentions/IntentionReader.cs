using MeshClient.Consul.Model;
using MeshClient.Consul.Wire;
using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Logging;

namespace MeshClient.Consul.Intentions;

/// <summary>
/// Reads and watches the intentions about calls to a service.
/// </summary>
/// <remarks>
/// <c>intentions/match</c> has the data. A server that sends an index with it is watched there. Consul 1.8 blocks there but
/// sends none, so it would have to be guessed; the list of all intentions has one. There the list is watched (with a filter
/// that lets nothing through: only its index is of interest), and the match is read after it, so that the data is never older
/// than the index.
/// </remarks>
internal sealed class IntentionReader(ConsulTransport transport, ConsulOptions options, ILogger logger)
{
    private const int MatchKind = 1;
    private const int ListKind = 2;
    private const string ListPath = "v1/connect/intentions?filter=Precedence%20==%200";

    public async Task<Watched<IntentionSnapshot>> ReadAsync(ServiceName destination, ulong opaque, CancellationToken cancellationToken)
    {
        var mark = WatchMark.FromOpaque(opaque);
        var path = $"v1/connect/intentions/match?by=destination&name={destination.Value}";
        if (mark.IsRestart)
        {
            return await ReadFirstAsync(destination, path, cancellationToken).ConfigureAwait(false);
        }

        if (mark.Kind == MatchKind)
        {
            using var match = await transport.ParkAsync(path, mark.Index, options.Wait, cancellationToken).ConfigureAwait(false);

            // Without its index the server is another one now; which kind it is shows when one begins again.
            var next = match.Index is null ? WatchMark.Restart : WatchMark.After(mark.Index, match.Index, MatchKind);
            return new Watched<IntentionSnapshot>(Read(destination, match), next.ToOpaque());
        }

        using var list = await transport.ParkAsync(ListPath, mark.Index, options.Wait, cancellationToken).ConfigureAwait(false);
        using var answer = await transport.GetAsync(path, cancellationToken).ConfigureAwait(false);
        return new Watched<IntentionSnapshot>(
            Read(destination, answer), WatchMark.After(mark.Index, list.Index, ListKind).ToOpaque());
    }

    private async Task<Watched<IntentionSnapshot>> ReadFirstAsync(
        ServiceName destination, string path, CancellationToken cancellationToken)
    {
        using var match = await transport.GetAsync(path, cancellationToken).ConfigureAwait(false);
        if (match.Index is not null)
        {
            return new Watched<IntentionSnapshot>(Read(destination, match), WatchMark.After(null, match.Index, MatchKind).ToOpaque());
        }

        using var list = await transport.GetAsync(ListPath, cancellationToken).ConfigureAwait(false);
        using var again = await transport.GetAsync(path, cancellationToken).ConfigureAwait(false);
        return new Watched<IntentionSnapshot>(Read(destination, again), WatchMark.After(null, list.Index, ListKind).ToOpaque());
    }

    private IntentionSnapshot Read(ServiceName destination, ConsulAnswer answer)
    {
        var intentions = new List<Intention>();
        foreach (var document in Find(destination, answer))
        {
            if (document is null)
            {
                continue;
            }

            if (IntentionMapper.TryMap(document, out var problem) is { } intention)
            {
                intentions.Add(intention);
            }
            else
            {
                ConsulLog.IntentionLeftOut(logger, destination.Value, problem);
            }
        }

        if (intentions.Count > IntentionLimits.Intentions)
        {
            throw new ControlPlaneException(
                ControlPlaneFailure.Malformed,
                $"{answer.Call} was answered with {intentions.Count} intentions; at most {IntentionLimits.Intentions} to one service are supported.");
        }

        return new IntentionSnapshot(destination, EquatableArray.From(intentions), answer.DefaultAction);
    }

    // "No intentions" could open the service, so it has to be said of this one: Consul says {"name":null}. An answer about
    // others, or about nobody, is no answer.
    private static IntentionDocument?[] Find(ServiceName destination, ConsulAnswer answer)
    {
        var byName = WireJson.Read(answer, WireJson.Default.DictionaryStringIntentionDocumentArray);
        foreach (var (name, intentions) in byName ?? [])
        {
            if (string.Equals(name, destination.Value, StringComparison.OrdinalIgnoreCase))
            {
                return intentions ?? [];
            }
        }

        throw WireJson.Malformed(answer, null);
    }
}
