using System.Collections.Concurrent;
using System.Collections.Frozen;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Intentions;

/// <summary>The intentions in force, and what was made of them. What it says does not change.</summary>
internal sealed class IntentionsInForce
{
    private readonly IntentionMode _mode;
    private readonly FrozenSet<SpiffeId> _ids;
    private readonly ConcurrentDictionary<SpiffeId, IntentionEvaluator> _byId = new();

    /// <param name="snapshot">The intentions.</param>
    /// <param name="defaultAction">What happens to a call none of them is about.</param>
    /// <param name="index">Which state of the control plane they are, by its own count.</param>
    /// <param name="mode">Whether they refuse, or are only tried.</param>
    public IntentionsInForce(IntentionSnapshot snapshot, IntentionAction defaultAction, ulong index, IntentionMode mode)
    {
        (Snapshot, DefaultAction, Index, _mode) = (snapshot, defaultAction, index, mode);
        _ids = snapshot.Intentions.Select(static one => IdOf(one)).OfType<SpiffeId>().ToFrozenSet();
        Evaluator = Compile(snapshot, defaultAction);
        ForeignEvaluator = Compile(
            snapshot with { Intentions = [.. snapshot.Intentions.Where(static one => IdOf(one) is not null)] }, IntentionAction.Deny);
    }

    public IntentionSnapshot Snapshot { get; }

    public IntentionAction DefaultAction { get; }

    public ulong Index { get; }

    /// <summary>What decides about callers of this trust domain that no intention names by their id.</summary>
    public IntentionEvaluator Evaluator { get; }

    /// <summary>What decides about callers of other trust domains.</summary>
    public IntentionEvaluator ForeignEvaluator { get; }

    /// <summary>What decides about a peer, by its <see cref="MeshPeer.Source"/>; the same one each time.</summary>
    public IntentionEvaluator EvaluatorFor(MeshPeer peer) =>
        peer.IsForeign ? ForeignEvaluator
        : _ids.Count > 0 && _ids.Contains(peer.Id) ? _byId.GetOrAdd(peer.Id, static (_, of) => of.Owner.Name(of.Peer), (Owner: this, Peer: peer))
        : Evaluator;

    private static SpiffeId? IdOf(Intention intention) => SpiffeId.TryParse(intention.Source, out var id) ? id : null;

    // For this one caller what is said of its id is said of its service; so the rules of both kinds meet, by their rank. That of
    // another datacenter has another id.
    private IntentionEvaluator Name(MeshPeer peer) => Compile(
        Snapshot with
        {
            Intentions = [.. Snapshot.Intentions.Select(one => IdOf(one) == peer.Id ? one with { Source = peer.Source, WrittenSource = one.Source } : one)],
        },
        DefaultAction);

    private IntentionEvaluator Compile(IntentionSnapshot snapshot, IntentionAction defaultAction) =>
        new(snapshot, defaultAction, looseDenials: true, _mode);
}
