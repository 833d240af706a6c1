using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>Services that may call, ready to be compared with a peer.</summary>
internal sealed class CallerList
{
    private readonly HashSet<string> _services = new(StringComparer.Ordinal);
    private readonly HashSet<SpiffeId> _ids = [];

    /// <param name="names">Service names of this trust domain, or SPIFFE ids; none: any service of this trust domain.</param>
    public CallerList(IEnumerable<string> names)
    {
        Names = [.. names];
        foreach (var name in Names)
        {
            if (ServiceName.TryParse(name, out var service))
            {
                _services.Add(service.Value);
            }
            else if (SpiffeId.TryParse(name, out var id))
            {
                _ids.Add(id);
            }
            else
            {
                Unreadable ??= name ?? string.Empty;
            }
        }
    }

    public IReadOnlyList<string> Names { get; }

    /// <summary>The first name that is neither a service's nor a SPIFFE id; null: there is none.</summary>
    public string? Unreadable { get; }

    /// <exception cref="ArgumentException">A name is neither a service's nor a SPIFFE id.</exception>
    public static void ThrowIfUnreadable(CallerList list, string parameter)
    {
        if (list.Unreadable is { } name)
        {
            throw new ArgumentException($"'{name}' is neither a service name nor a SPIFFE id.", parameter);
        }
    }

    /// <summary>Whether a peer is among them. Nobody without a peer is.</summary>
    public bool Allows(MeshPeer? peer) =>
        peer is not null
        && ((!peer.IsForeign && (Names.Count == 0 || _services.Contains(peer.Service.Value))) || (_ids.Count > 0 && _ids.Contains(peer.Id)));
}
