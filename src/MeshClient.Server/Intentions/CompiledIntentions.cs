using System.Collections.Concurrent;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Server.Intentions;

/// <summary>The decision makers for one state of the table, each made when it is first asked for.</summary>
/// <param name="table">The table.</param>
/// <param name="defaultAction">What to do when no intention matches.</param>
internal sealed class CompiledIntentions(IntentionTable table, IntentionAction defaultAction)
{
    private readonly ConcurrentDictionary<string, IntentionEvaluator> _byDestination = new(StringComparer.OrdinalIgnoreCase);

    public IntentionTable Table => table;

    /// <summary>The one for calls to a service.</summary>
    public IntentionEvaluator To(string destination)
    {
        // A name that is none, a wildcard included, is nobody's: it is decided as one that only wildcards speak about. So are
        // all that no intention names, whose number nothing bounds.
        var isNamed = table.ByDestination.ContainsKey(destination) && ServiceName.TryParse(destination, out _);
        return _byDestination.GetOrAdd(isNamed ? destination : string.Empty, Compile);
    }

    private IntentionEvaluator Compile(string destination)
    {
        var rules = table.ToDestination(destination).Select(intention => intention.ToRule());
        var name = destination.Length == 0 ? default : ServiceName.Parse(destination);
        return new IntentionEvaluator(new IntentionSnapshot(name, EquatableArray.From(rules), defaultAction), defaultAction);
    }
}
