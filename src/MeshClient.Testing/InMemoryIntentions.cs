using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Testing;

/// <summary>
/// The intentions the in-memory control plane knows. As in Consul there is one index for all of them: any change wakes every
/// reader. Everything here needs the gate's lock.
/// </summary>
internal sealed class InMemoryIntentions(IndexCounter counter)
{
    private readonly List<Intention> _intentions = [];
    private readonly Dictionary<ServiceName, IntentionAction?> _defaults = [];
    private readonly Dictionary<ServiceName, int> _reads = [];
    private IntentionAction? _default = IntentionAction.Deny;

    public Topic Topic { get; } = new(counter);

    public void CountRead(ServiceName destination) => _reads[destination] = ReadsOf(destination) + 1;

    public int ReadsOf(ServiceName destination) => _reads.GetValueOrDefault(destination);

    public IntentionSnapshot Read(ServiceName destination) => new(
        destination,
        EquatableArray.From(_intentions.Where(i => i.Destination == destination.Value || i.Destination == Intention.Wildcard)),
        _defaults.TryGetValue(destination, out var own) ? own : _default);

    public void SetDefault(IntentionAction? action)
    {
        _default = action;
        _defaults.Clear();
        Topic.Move();
    }

    public void Set(ServiceName destination, IntentionAction? defaultAction, IEnumerable<Intention> intentions)
    {
        _intentions.RemoveAll(i => i.Destination == destination.Value);
        _intentions.AddRange(intentions);
        _defaults[destination] = defaultAction;
        Topic.Move();
    }

    public void Put(Intention intention)
    {
        Remove(intention.Source, intention.Destination);
        _intentions.Add(intention);
        Topic.Move();
    }

    public bool Remove(string source, string destination)
    {
        var removed = _intentions.RemoveAll(i => i.Source == source && i.Destination == destination) > 0;
        if (removed)
        {
            Topic.Move();
        }

        return removed;
    }
}
