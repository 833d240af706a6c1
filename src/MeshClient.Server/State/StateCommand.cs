namespace MeshClient.Server.State;

/// <summary>
/// One write. It holds everything it needs (moments, random ids and keys included), so applying the same commands in the
/// same order always gives the same state: a log of commands can be replayed.
/// </summary>
internal abstract record StateCommand
{
    /// <summary>
    /// The state after this write; the very same object when nothing changes. A state that differs without a touched topic
    /// is kept, but moves no index and wakes nobody.
    /// </summary>
    /// <exception cref="RequestRefusedException">The write cannot be done; nothing changes.</exception>
    public abstract ServerState Apply(ServerState state, StateChange change);
}

/// <summary>What goes along with applying a command: the index it will have, and the topics it touches.</summary>
internal sealed class StateChange(ulong index)
{
    private readonly HashSet<Topic> _touched = [];

    /// <summary>The index of everything this write changes.</summary>
    public ulong Index { get; } = index;

    public IReadOnlyCollection<Topic> Touched => _touched;

    public void Touch(Topic topic) => _touched.Add(topic);
}
