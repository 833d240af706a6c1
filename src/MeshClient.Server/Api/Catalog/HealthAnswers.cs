using System.Collections.Concurrent;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;

namespace MeshClient.Server.Api.Catalog;

/// <summary>
/// The answers about the instances of services that were asked for last, as they were written: the next who asks, and all who
/// wait for the same change, get the same bytes. Only of the plain question that everybody asks: no filter, tag or metadata,
/// nothing left out for want of rights.
/// </summary>
/// <remarks>
/// An answer is right as long as the group is the very same object, because every change of an instance, a node or a check
/// that shows in it makes another one; all but a node check's new output, for which there is
/// <see cref="CatalogState.QuietNodeChecks"/>. The memory is bounded by two generations: what was not asked for while one
/// filled up goes away with it.
/// </remarks>
internal sealed class HealthAnswers(long maxBytes = HealthAnswers.DefaultBytes)
{
    /// <summary>Enough for the services a site asks for all the time; others are written anew.</summary>
    public const long DefaultBytes = 16 * 1024 * 1024;

    private readonly Lock _turning = new();
    private volatile Generation _young = new();
    private volatile Generation _old = new();

    /// <summary>About how much memory the answers take.</summary>
    public long Size => _young.Size + _old.Size;

    /// <summary>The answer about a group; written when it is not there.</summary>
    public WrittenJson Get(CatalogState catalog, ServiceGroup group, bool isConnect, bool passingOnly, Func<WrittenJson> write)
    {
        var key = new Key(group.Name, isConnect, passingOnly);
        var young = _young;
        if (young.Answers.TryGetValue(key, out var answer) && answer.IsOf(catalog, group))
        {
            return answer.Json;
        }

        answer = _old.Answers.TryGetValue(key, out var old) && old.IsOf(catalog, group)
            ? old
            : new Answer(group, catalog.QuietNodeChecks, write());
        Keep(young, key, answer);
        return answer.Json;
    }

    private void Keep(Generation young, Key key, Answer answer)
    {
        // An answer that takes another one's place counts again, which only makes the generation's turn come sooner.
        young.Answers[key] = answer;
        if (young.Add(answer.Json.Size) < maxBytes / 2)
        {
            return;
        }

        lock (_turning)
        {
            if (ReferenceEquals(young, _young))
            {
                _old = young;
                _young = new Generation();
            }
        }
    }

    private readonly record struct Key(string Service, bool IsConnect, bool PassingOnly);

    private sealed record Answer(ServiceGroup Group, ulong QuietNodeChecks, WrittenJson Json)
    {
        public bool IsOf(CatalogState catalog, ServiceGroup group) =>
            ReferenceEquals(Group, group) && QuietNodeChecks == catalog.QuietNodeChecks;
    }

    private sealed class Generation
    {
        private long _size;

        public ConcurrentDictionary<Key, Answer> Answers { get; } = new();

        public long Size => Volatile.Read(ref _size);

        public long Add(long size) => Interlocked.Add(ref _size, size);
    }
}
