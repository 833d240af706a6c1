namespace MeshClient.Server.State;

/// <summary>
/// One write. It holds everything it needs (moments, random ids and keys included), so applying the same commands in the
/// same order always gives the same state.
/// </summary>
internal abstract record StateCommand
{
    /// <summary>
    /// Whether what it writes is made anew by itself (a beat, the outcome of a check, a certificate in use): it is written
    /// along but never waits for the disk, and a disk that takes nothing does not refuse it.
    /// </summary>
    public virtual bool IsSoft => false;

    /// <summary>
    /// The state after this write; the very same object when nothing changes. A state that differs without a touched topic
    /// is kept, but moves no index and wakes nobody. May be called again with another state when a write before it failed.
    /// </summary>
    /// <exception cref="RequestRefusedException">The write cannot be done; nothing changes.</exception>
    public abstract ServerState Apply(ServerState state, StateChange change);
}
