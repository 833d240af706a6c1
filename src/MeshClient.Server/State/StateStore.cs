using MeshClient.Server.Sessions;

namespace MeshClient.Server.State;

/// <summary>
/// The one place where state is written. Readers take <see cref="Current"/> and keep it. Commands are applied one after the
/// other to the newest state, which nobody sees yet; what they changed is stored in batches, so that writers share a flush of
/// the disk; only then the state is published, exactly the watchers of the touched topics are woken, and the callers return.
/// </summary>
/// <remarks>
/// When a batch cannot be stored, its writes and those applied on top of it have not happened: their callers fail, and the
/// next command is applied to <see cref="Current"/> again. Soft commands among them are applied again without the others.
/// A writer that finds nobody else writing stores its own command in its own thread; while it does, others queue, and a thread
/// of the store's own takes them all together.
/// </remarks>
internal sealed class StateStore : IDisposable
{
    private readonly IStateStorage _storage;
    private readonly TimeProvider _time;
    private readonly Lock _applying = new();
    private readonly SemaphoreSlim _queued = new(0);
    private volatile ServerState _current;
    private ServerState _newest;
    private List<Write> _queue = [];
    private Task<ServerState>? _newestWrite;
    // What soft writes changed since the last batch that was flushed, and whether it has to be stored once more; both of whoever stores.
    private StateChange? _unflushed;
    private bool _isUnflushedLost;
    private bool _isStoring;
    private Thread? _thread;
    private bool _disposed;

    public StateStore(ServerState initial, IStateStorage storage, WatchHub watches, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        _current = _newest = initial;
        _storage = storage;
        Watches = watches;
    }

    /// <summary>The newest state that is stored.</summary>
    public ServerState Current => _current;

    public WatchHub Watches { get; }

    /// <summary>Seals and opens the secrets in rows.</summary>
    public StateSeal Seal => _storage.Seal;

    /// <summary>Does one write. The order of calls is the order of writes.</summary>
    /// <returns>The state right after it, once it is stored.</returns>
    /// <exception cref="RequestRefusedException">The command refused; nothing has changed.</exception>
    /// <exception cref="StateNotStoredException">It could not be stored; nothing has changed.</exception>
    public Task<ServerState> ApplyAsync(StateCommand command)
    {
        var write = new Write(command);
        lock (_applying)
        {
            if (_disposed)
            {
                return Task.FromException<ServerState>(new StateNotStoredException("The write was not done: the server is stopping.", null));
            }

            bool changes;
            try
            {
                changes = write.ApplyTo(_newest, Moment.Now(_time));
            }
            catch (RequestRefusedException e)
            {
                return AfterPending(Task.FromException<ServerState>(e));
            }

            if (!changes)
            {
                // What is there already may not be stored yet; a soft write promises nothing and need not wait for that.
                return command.IsSoft ? Task.FromResult(_current) : AfterPending(Task.FromResult(_newest));
            }

            _newest = write.After;
            _newestWrite = write.Done;
            _queue.Add(write);
            if (_isStoring)
            {
                return write.Done;
            }

            _isStoring = true;
        }

        StoreQueue();
        return write.Done;
    }

    /// <summary>Does one write and waits for it in this thread: for the start, timers and tests.</summary>
    public ServerState Apply(StateCommand command) => ApplyAsync(command).GetAwaiter().GetResult();

    /// <summary>Waits for the writes under way; no more are taken.</summary>
    public void Dispose()
    {
        Task? last;
        lock (_applying)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            last = _newestWrite;
        }

        last?.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default)
            .GetAwaiter().GetResult();
        _queued.Release();
        _thread?.Join();
        _queued.Dispose();
    }

    // A refusal, or a success without a change, follows from states that may not be stored yet, so it waits for them.
    private Task<ServerState> AfterPending(Task<ServerState> outcome)
    {
        return ReferenceEquals(_newest, _current) || _newestWrite is not { } pending ? outcome : WaitAsync(pending, outcome);

        static async Task<ServerState> WaitAsync(Task pending, Task<ServerState> outcome)
        {
            await pending.ConfigureAwait(false);
            return await outcome.ConfigureAwait(false);
        }
    }

    private void StoreQueue()
    {
        List<Write> batch;
        lock (_applying)
        {
            batch = _queue;
            _queue = [];
        }

        Store(batch);
        lock (_applying)
        {
            if (_queue.Count == 0)
            {
                _isStoring = false;
                return;
            }

            if (_thread is null)
            {
                _thread = new Thread(StoreInLoop) { IsBackground = true, Name = "mesh state writer" };
                _thread.Start();
            }
        }

        _queued.Release();
    }

    private void StoreInLoop()
    {
        while (true)
        {
            _queued.Wait();
            while (true)
            {
                List<Write> batch;
                lock (_applying)
                {
                    if (_queue.Count == 0)
                    {
                        if (_disposed)
                        {
                            return;
                        }

                        _isStoring = false;
                        break;
                    }

                    batch = _queue;
                    _queue = [];
                }

                Store(batch);
            }
        }
    }

    private void Store(List<Write> batch)
    {
        var after = batch[^1].After;
        var changes = batch.ConvertAll(write => write.Change);
        var isSoft = batch.TrueForAll(write => write.Command.IsSoft);
        if (_isUnflushedLost)
        {
            changes.Insert(0, _unflushed!);
        }

        try
        {
            _storage.Append(new StateBatch(after, changes, isSoft));
        }
        catch (Exception e)
        {
            Fail(batch, e);
            return;
        }

        KeepUnflushed(batch, isSoft);
        _current = after;
        foreach (var write in batch)
        {
            Watches.Wake(write.Change);
        }

        foreach (var write in batch)
        {
            write.Succeed();
        }
    }

    private void KeepUnflushed(List<Write> batch, bool isSoft)
    {
        _isUnflushedLost = false;
        if (!isSoft)
        {
            _unflushed = null;
            return;
        }

        foreach (var write in batch)
        {
            TakeUnflushed(write.Change);
        }
    }

    private void TakeUnflushed(StateChange change)
    {
        if (change.Rows.Count > 0)
        {
            (_unflushed ??= new StateChange(0)).Take(change);
        }
    }

    // Published although they could not be stored are soft writes: a full disk must not make every instance look dead. They
    // go along with the next batch, so that the disk does not go on saying something else.
    private void Fail(List<Write> batch, Exception error)
    {
        List<(Write Write, Exception? Error)> outcomes = [];
        lock (_applying)
        {
            batch.AddRange(_queue);
            _queue = [];
            var state = _current;
            foreach (var write in batch)
            {
                var problem = write.Command.IsSoft ? ApplyAgain(write, state) : error;
                outcomes.Add((write, problem));
                state = problem is null ? write.After : state;
            }

            _current = _newest = state;
            _newestWrite = null;
        }

        foreach (var (write, problem) in outcomes)
        {
            if (problem is null)
            {
                TakeUnflushed(write.Change);
                Watches.Wake(write.Change);
                write.Succeed();
            }
            else
            {
                write.Fail(problem);
            }
        }

        _isUnflushedLost = _unflushed is not null;
    }

    private RequestRefusedException? ApplyAgain(Write write, ServerState state)
    {
        try
        {
            write.ApplyTo(state, Moment.Now(_time));
            return null;
        }
        catch (RequestRefusedException e)
        {
            return e;
        }
    }

    private sealed class Write(StateCommand command)
    {
        private readonly TaskCompletionSource<ServerState> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public StateCommand Command => command;

        public Task<ServerState> Done => _done.Task;

        public StateChange Change { get; private set; } = null!;

        public ServerState After { get; private set; } = null!;

        /// <returns>Whether the state changes.</returns>
        public bool ApplyTo(ServerState state, Moment now)
        {
            Change = new StateChange(state.Index + 1);
            After = command.Apply(state, Change);
            if (ReferenceEquals(state, After))
            {
                return false;
            }

            // A session ends in the very write that makes a check critical or takes it away: nobody sees its locks held any more.
            if (Change.Touched.Contains(Topic.Checks) || Change.Touched.Contains(Topic.Nodes))
            {
                After = SessionRules.EndFailed(After, now, Change);
            }

            if (Change.Touched.Count > 0 || Change.ReplacesAll)
            {
                After = After with { Index = Change.Index };
            }

            return true;
        }

        public void Succeed() => _done.TrySetResult(After);

        public void Fail(Exception error) => _done.TrySetException(error);
    }
}
