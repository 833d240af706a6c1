using MeshClient.Consul.Model;
using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Discovery;

/// <summary>
/// Makes the snapshot of a service out of the two lists Consul has of it.
/// </summary>
/// <remarks>
/// <c>health/service</c> has the instances of that name, native and plain; <c>health/connect</c> has the native ones and the
/// proxies that stand before instances of that name.
/// <list type="bullet">
/// <item>A native instance is in the mesh under its own name.</item>
/// <item>A proxy is in the mesh under the name of what it stands before.</item>
/// <item>A plain instance behind a proxy is left out, because calling it would go round the proxy's mutual TLS. It is behind
/// the proxy of its node that names its id; a proxy that names no id covers all of its node, and if its node has none, then
/// all plain instances, since it cannot be told which it stands before.</item>
/// <item>What remains is plain, and called only where plaintext is allowed.</item>
/// </list>
/// Ids are unique only on one node of Consul. Where two nodes have the same, each gets <c>@node</c> added.
/// An entry that cannot be used (no port, no address, another service's name) is left out and reported; it never spoils the rest.
/// </remarks>
internal static class InstanceMerger
{
    /// <summary>Whether nothing but native instances is there, so that <c>health/connect</c> can add nothing.</summary>
    public static bool IsAllNative(IReadOnlyList<HealthEntry> byName) =>
        byName.Count > 0 && byName.All(entry => entry.Service?.IsNative == true);

    /// <summary>Merges the two lists.</summary>
    /// <param name="service">The service that was asked for.</param>
    /// <param name="byName">The list of <c>health/service</c>.</param>
    /// <param name="inMesh">The list of <c>health/connect</c>; empty when it was not asked.</param>
    /// <param name="problems">Gets a text for each entry that was left out because it cannot be used.</param>
    public static ServiceSnapshot Merge(
        ServiceName service, IReadOnlyList<HealthEntry> byName, IReadOnlyList<HealthEntry> inMesh, List<string> problems)
    {
        // One list for the native ones, not both: they were read one after the other and may differ.
        var natives = (inMesh.Count > 0 ? inMesh : byName).Where(entry => entry.Service?.IsNative == true).ToList();
        var nativeKeys = natives.Select(Key).ToHashSet();
        var proxies = inMesh.Where(entry => IsProxy(entry) && entry.Service?.IsNative != true).ToList();
        var plain = byName
            .Where(entry => !IsProxy(entry) && entry.Service?.IsNative != true && !nativeKeys.Contains(Key(entry))).ToList();
        var plainNodes = plain.Select(Node).ToHashSet(StringComparer.Ordinal);

        var shared = new HashSet<string>(StringComparer.Ordinal);
        var instances = new List<(ServiceInstance Instance, string Node)>();
        foreach (var entry in natives.Concat(proxies).Concat(plain.Where(entry => !proxies.Any(proxy => Covers(proxy, entry, plainNodes)))))
        {
            if (InstanceMapper.TryMap(service, entry, out var problem, shared) is { } instance)
            {
                instances.Add((instance, Node(entry)));
            }
            else
            {
                problems.Add(problem);
            }
        }

        return new ServiceSnapshot(service, EquatableArray.From(MakeIdsUnique(instances, problems)));
    }

    private static bool IsProxy(HealthEntry entry) => entry.Service?.Kind == HealthService.ConnectProxyKind;

    private static string Node(HealthEntry entry) => entry.Node?.Node ?? string.Empty;

    private static (string Node, string? Id) Key(HealthEntry entry) => (Node(entry), entry.Service?.ID);

    private static bool Covers(HealthEntry proxy, HealthEntry plain, HashSet<string> plainNodes)
    {
        var sameNode = Node(proxy) == Node(plain);
        var destination = proxy.Service?.Proxy?.DestinationServiceID;
        return string.IsNullOrEmpty(destination)
            ? sameNode || !plainNodes.Contains(Node(proxy))
            : sameNode && destination == plain.Service?.ID;
    }

    private static IEnumerable<ServiceInstance> MakeIdsUnique(
        List<(ServiceInstance Instance, string Node)> instances, List<string> problems)
    {
        var count = instances.CountBy(pair => pair.Instance.Id).ToDictionary();
        var seen = new HashSet<InstanceId>();

        // In the order of their ids, so that the same instances in another order are the same snapshot.
        foreach (var (instance, node) in instances.OrderBy(pair => pair.Instance.Id.Value, StringComparer.Ordinal)
            .ThenBy(pair => pair.Node, StringComparer.Ordinal))
        {
            var unique = instance;
            if (count[instance.Id] > 1)
            {
                var id = $"{instance.Id.Value}@{node}";
                if (node.Any(char.IsControl) || id.Length > InstanceId.MaxLength)
                {
                    problems.Add($"instance '{instance.Id}' has the id of another, and its node's name cannot tell them apart");
                    continue;
                }

                unique = instance with { Id = new InstanceId(id) };
            }

            if (seen.Add(unique.Id))
            {
                yield return unique;
            }
            else
            {
                problems.Add($"instance '{unique.Id}' is listed twice");
            }
        }
    }
}
