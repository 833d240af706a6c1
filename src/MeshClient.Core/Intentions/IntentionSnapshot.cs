using MeshClient.Core.Naming;

namespace MeshClient.Core.Intentions;

/// <summary>All intentions about calls to one service, at one moment.</summary>
/// <param name="Destination">The called service.</param>
/// <param name="Intentions">The intentions, in any order; those with another destination are ignored.</param>
/// <param name="DefaultAction">What the control plane does when no intention matches; null when it did not say.</param>
public sealed record IntentionSnapshot(
    ServiceName Destination, EquatableArray<Intention> Intentions, IntentionAction? DefaultAction);
