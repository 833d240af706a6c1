namespace MeshClient.Server.State;

/// <summary>
/// What goes along with applying a command: the index it will have, the topics it touches, and the rows that have to be
/// stored for it. Recorded where the immutable state is changed, so that no command can forget it.
/// </summary>
internal sealed class StateChange(ulong index)
{
    private bool _records = true;

    private readonly HashSet<Topic> _touched = [];
    private readonly Dictionary<(StateRows Table, string Key), object?> _rows = [];

    /// <summary>The index of everything this write changes.</summary>
    public ulong Index { get; } = index;

    public IReadOnlyCollection<Topic> Touched => _touched;

    /// <summary>For a state that is put together from rows: knows its index, and records nothing.</summary>
    public static StateChange OfRestore(ulong index) => new(index) { _records = false };

    /// <summary>The rows to store, each once, with what it holds at the end; null for one that is gone.</summary>
    public IReadOnlyCollection<KeyValuePair<(StateRows Table, string Key), object?>> Rows => _rows;

    /// <summary>Whether all rows of before are gone, and everybody is woken.</summary>
    public bool ReplacesAll { get; private set; }

    public void Touch(Topic topic)
    {
        if (_records)
        {
            _touched.Add(topic);
        }
    }

    /// <summary>Stores a row.</summary>
    public void Put<T>(StateRows<T> table, string key, T record)
        where T : class => Record(table, key, record);

    /// <summary>Takes a row away.</summary>
    public void Delete(StateRows table, string key) => Record(table, key, null);

    /// <summary>Begins with nothing: only the rows put from here on are there.</summary>
    public void ReplaceAll()
    {
        ReplacesAll = true;
        _rows.Clear();
    }

    /// <summary>Takes over what another change recorded.</summary>
    public void Take(StateChange other)
    {
        _touched.UnionWith(other._touched);
        foreach (var (row, record) in other._rows)
        {
            _rows[row] = record;
        }
    }

    /// <summary>Stores a row of a state that is taken over whole.</summary>
    public void PutAny(StateRows table, string key, object record) => Record(table, key, record);

    private void Record(StateRows table, string key, object? record)
    {
        if (_records)
        {
            _rows[(table, key)] = record;
        }
    }
}
