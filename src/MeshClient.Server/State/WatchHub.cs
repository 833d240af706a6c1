using System.Runtime.InteropServices;

namespace MeshClient.Server.State;

/// <summary>Knows who waits for what.</summary>
internal sealed class WatchHub
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Topic, HashSet<Watch>> _byTopic = [];
    private readonly HashSet<Watch> _all = [];
    // How many watches there are on prefixes of each length: a key is looked up by its beginnings of these lengths only.
    private readonly SortedDictionary<int, int> _prefixLengths = [];
    private bool _closed;

    /// <summary>Whether the server is stopping.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
            {
                return _closed;
            }
        }
    }

    /// <summary>How many queries are parked.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _all.Count;
            }
        }
    }

    /// <summary>
    /// Begins a watch. Begin it before reading the state: a change between the two then wakes it, so none is missed.
    /// </summary>
    public Watch Begin(ReadOnlySpan<Topic> topics)
    {
        var watch = new Watch(this, topics.ToArray());
        lock (_gate)
        {
            if (_closed)
            {
                watch.Close();
                return watch;
            }

            _all.Add(watch);
            foreach (var topic in topics)
            {
                ref var watches = ref CollectionsMarshal.GetValueRefOrAddDefault(_byTopic, topic, out _);
                (watches ??= []).Add(watch);
                CountPrefix(topic, 1);
            }
        }

        return watch;
    }

    /// <summary>Wakes the watchers of what a write touched.</summary>
    public void Wake(StateChange change)
    {
        if (change.ReplacesAll)
        {
            WakeAll();
        }
        else
        {
            Wake(change.Touched);
        }
    }

    /// <summary>Wakes the watchers of the given topics.</summary>
    public void Wake(IReadOnlyCollection<Topic> topics)
    {
        if (topics.Count == 0)
        {
            return;
        }

        lock (_gate)
        {
            foreach (var topic in topics)
            {
                WakeOne(topic);
                if (topic.Kind == TopicKind.Key)
                {
                    WakePrefixes(topic.Name);
                }
            }
        }
    }

    /// <summary>Wakes everybody once.</summary>
    private void WakeAll()
    {
        lock (_gate)
        {
            foreach (var watch in _all)
            {
                watch.Wake();
            }
        }
    }

    /// <summary>Wakes everybody for good: parked queries answer with what there is, and no new one parks.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            foreach (var watch in _all)
            {
                watch.Close();
            }
        }
    }

    internal void End(Watch watch)
    {
        lock (_gate)
        {
            if (!_all.Remove(watch))
            {
                return;
            }

            foreach (var topic in watch.Topics)
            {
                if (_byTopic.TryGetValue(topic, out var watches) && watches.Remove(watch))
                {
                    CountPrefix(topic, -1);
                    if (watches.Count == 0)
                    {
                        _byTopic.Remove(topic);
                    }
                }
            }
        }
    }

    private void WakeOne(Topic topic)
    {
        if (_byTopic.TryGetValue(topic, out var watches))
        {
            foreach (var watch in watches)
            {
                watch.Wake();
            }
        }
    }

    private void WakePrefixes(string key)
    {
        foreach (var length in _prefixLengths.Keys)
        {
            if (length > key.Length)
            {
                return;
            }

            WakeOne(Topic.KeyPrefix(key[..length]));
        }
    }

    private void CountPrefix(Topic topic, int by)
    {
        if (topic.Kind == TopicKind.KeyPrefix)
        {
            var count = _prefixLengths.GetValueOrDefault(topic.Name.Length) + by;
            _prefixLengths[topic.Name.Length] = count;
            if (count == 0)
            {
                _prefixLengths.Remove(topic.Name.Length);
            }
        }
    }
}
