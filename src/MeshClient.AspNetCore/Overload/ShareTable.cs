using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Naming;
using MeshClient.Overload;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Overload;

/// <summary>
/// Finds the share a request belongs to: the most exact one. Names are those of services of this trust domain; a member of another
/// one has a share of its own by its whole id only. Immutable but for what the shares count.
/// </summary>
internal sealed class ShareTable
{
    private const string OthersName = "(others)";

    private static readonly int Priorities = Enum.GetValues<MeshPriority>().Length;

    // One share per priority for each caller that has any of its own, and for all others.
    private readonly Dictionary<ServiceName, Share[]> _services = [];
    private readonly Dictionary<SpiffeId, (Share[] Member, Share[] Foreign)> _ids = [];
    private readonly Share[] _anybody;
    private readonly bool _readsPriority;

    public ShareTable(IReadOnlyDictionary<string, MeshInboundShareOptions> options)
    {
        var others = new Share(OthersName, 100 - options.Values.Sum(one => one.Percent));
        var shares = options.Select(pair => (Options: pair.Value, Share: new Share(pair.Key, pair.Value.Percent))).ToList();
        All = [.. shares.Select(one => one.Share), others];
        _readsPriority = shares.Exists(one => one.Options.Priority is not null);

        Share[] For(Predicate<string?> isCaller, Share[] otherwise) =>
        [
            .. Enumerable.Range(0, Priorities).Select(priority =>
                Find(isCaller, (MeshPriority)priority) ?? Find(isCaller, null) ?? otherwise[priority])
        ];
        Share? Find(Predicate<string?> isCaller, MeshPriority? priority) =>
            shares.Find(one => isCaller(one.Options.Caller) && one.Options.Priority == priority).Share;

        _anybody = For(caller => caller is null, [.. Enumerable.Repeat(others, Priorities)]);
        foreach (var caller in shares.Select(one => one.Options.Caller).OfType<string>().Distinct())
        {
            if (ServiceName.TryParse(caller, out var service))
            {
                _services[service] = For(one => one == caller, _anybody);
            }
        }

        foreach (var caller in shares.Select(one => one.Options.Caller).OfType<string>().Distinct())
        {
            if (SpiffeId.TryParse(caller, out var id))
            {
                var ofService = id.TryGetService(out var named) && _services.TryGetValue(named.Name, out var found) ? found : _anybody;
                _ids[id] = (For(one => one == caller, ofService), For(one => one == caller, _anybody));
            }
        }
    }

    /// <summary>All shares, that of the others included.</summary>
    public IReadOnlyList<Share> All { get; }

    /// <summary>The share of a request.</summary>
    public Share Find(MeshPeer peer, IHeaderDictionary headers)
    {
        var priority = _readsPriority ? MeshPriorityExtensions.Parse(headers[MeshPriorityExtensions.HeaderName]) : MeshPriority.Normal;
        var shares = _ids.Count > 0 && _ids.TryGetValue(peer.Id, out var ofId) ? peer.IsForeign ? ofId.Foreign : ofId.Member
            : !peer.IsForeign && _services.TryGetValue(peer.Service, out var ofService) ? ofService
            : _anybody;
        return shares[(int)priority];
    }
}
