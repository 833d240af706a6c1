using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.Events;

/// <summary>The latest events, in memory only: they are news, and not state.</summary>
internal sealed class EventLog(WatchHub watches)
{
    /// <summary>How many are kept (Consul's number).</summary>
    public const int Kept = 256;

    private readonly Lock _gate = new();
    private ImmutableQueue<UserEvent> _events = [];
    private int _count;
    private ulong _time = 1;

    /// <summary>Oldest first.</summary>
    public IEnumerable<UserEvent> All => Volatile.Read(ref _events);

    public void Add(UserEvent fired)
    {
        lock (_gate)
        {
            var events = _events.Enqueue(fired with { Time = ++_time });
            Volatile.Write(ref _events, _count < Kept ? events : events.Dequeue());
            _count = Math.Min(Kept, _count + 1);
        }

        watches.Wake([Topic.Events]);
    }
}
