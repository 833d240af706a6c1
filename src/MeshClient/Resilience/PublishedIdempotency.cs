using System.Collections.Immutable;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;

namespace MeshClient.Resilience;

/// <summary>
/// What the instances of a service say of their endpoints: read when their list changes, asked when a call is to be made again.
/// </summary>
/// <remarks>
/// Instances of one version say the same, and that is read once. Of more versions than a service can sensibly have at a time, the
/// others count as saying nothing: then no call is made again on the word of instances, and the work stays bounded.
/// </remarks>
internal sealed class PublishedIdempotency(ServiceName service, IdempotencyLog? log)
{
    /// <summary>A roll-out has two or three, a careless one a few more.</summary>
    public const int MaxVersions = 16;

    // When what an instance says last changed, as a timestamp; the greatest while it is changing.
    private long _changedAt = long.MinValue;
    private volatile Dictionary<ImmutableSortedDictionary<string, string>, IdempotentEndpoints> _versions = new(SameWord.Instance);

    /// <summary>Takes in a list. One at a time.</summary>
    public void TakeIn(ServiceSnapshot snapshot)
    {
        var known = _versions;
        var versions = new Dictionary<ImmutableSortedDictionary<string, string>, IdempotentEndpoints>(SameWord.Instance);
        foreach (var instance in snapshot.Instances)
        {
            if (!SaysAnything(instance) || versions.ContainsKey(instance.Meta))
            {
                continue;
            }

            if (versions.Count == MaxVersions)
            {
                log?.NotUsed(service, instance.Id, $"the instances differ in more than {MaxVersions} ways");
                break;
            }

            if (!known.TryGetValue(instance.Meta, out var endpoints))
            {
                endpoints = IdempotentEndpoints.Read(instance.Meta, out var problem);
                if (problem is not null)
                {
                    log?.NotUsed(service, instance.Id, problem);
                }
            }

            versions.Add(instance.Meta, endpoints);
        }

        _versions = versions;
    }

    /// <summary>
    /// Takes in a newer description of an instance. One at a time. Where it says otherwise than before, it may be another process by
    /// now: what it says is not the word of the one that has calls from before.
    /// </summary>
    public void Describe(InstanceState instance, ServiceInstance renewed, TimeProvider time)
    {
        if (IdempotentEndpoints.AreSame(instance.Description.Meta, renewed.Meta))
        {
            instance.Describe(renewed);
            return;
        }

        // Before and after, so that no call that began by the old word ever meets the new one as its own.
        Volatile.Write(ref _changedAt, long.MaxValue);
        instance.Describe(renewed);
        Volatile.Write(ref _changedAt, time.GetTimestamp());
    }

    /// <summary>Whether an instance that stayed where it is began to say otherwise, at this timestamp or since.</summary>
    public bool HasChangedSince(long timestamp) => Volatile.Read(ref _changedAt) >= timestamp;

    /// <summary>What an instance says.</summary>
    public IdempotentEndpoints Of(ServiceInstance instance) =>
        SaysAnything(instance) && _versions.TryGetValue(instance.Meta, out var endpoints) ? endpoints : IdempotentEndpoints.None;

    /// <summary>What these instances say, each word once; empty when one of them says nothing.</summary>
    public IdempotentEndpoints[] OfAll(IEnumerable<InstanceState> instances)
    {
        var all = new HashSet<IdempotentEndpoints>();
        foreach (var instance in instances)
        {
            var endpoints = Of(instance.Description);
            if (endpoints.Count == 0)
            {
                return [];
            }

            all.Add(endpoints);
        }

        return [.. all];
    }

    private static bool SaysAnything(ServiceInstance instance) =>
        instance.Meta.Count > 0 && instance.Meta.ContainsKey(IdempotentEndpoints.MetaKey);

    // By nothing else in the metadata, of which each instance may have its own.
    private sealed class SameWord : IEqualityComparer<ImmutableSortedDictionary<string, string>>
    {
        public static readonly SameWord Instance = new();

        public bool Equals(ImmutableSortedDictionary<string, string>? x, ImmutableSortedDictionary<string, string>? y) =>
            x is not null && y is not null && IdempotentEndpoints.AreSame(x, y);

        public int GetHashCode(ImmutableSortedDictionary<string, string> obj) =>
            obj.TryGetValue(IdempotentEndpoints.MetaKey, out var value) ? string.GetHashCode(value, StringComparison.Ordinal) : 0;
    }
}
