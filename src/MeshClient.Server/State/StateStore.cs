namespace MeshClient.Server.State;

/// <summary>
/// The one place where state is written. Readers take <see cref="Current"/> and keep it; a write applies one command, makes
/// the outcome durable, publishes it and wakes exactly the watchers of the topics it touched.
/// </summary>
internal sealed class StateStore(ServerState initial, IStateStorage storage, WatchHub watches)
{
    private readonly Lock _writing = new();
    private volatile ServerState _current = initial;

    public ServerState Current => _current;

    public WatchHub Watches { get; } = watches;

    /// <summary>Does one write.</summary>
    /// <returns>The state right after it.</returns>
    /// <exception cref="RequestRefusedException">The command refused; nothing has changed.</exception>
    public ServerState Apply(StateCommand command)
    {
        StateChange change;
        ServerState after;
        lock (_writing)
        {
            var before = _current;
            change = new StateChange(before.Index + 1);
            after = command.Apply(before, change);
            if (ReferenceEquals(before, after))
            {
                return before;
            }

            if (change.Touched.Count > 0)
            {
                after = after with { Index = change.Index };
            }

            storage.Save(before, after);
            _current = after;
        }

        Watches.Wake(change.Touched);
        return after;
    }
}
