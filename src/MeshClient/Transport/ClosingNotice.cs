namespace MeshClient.Transport;

/// <summary>Word that a connection is to be ended soon, for whoever wants to hear it. Costs nothing until somebody does.</summary>
internal sealed class ClosingNotice
{
    // Never disposed: it has no timer, and callbacks may be registered as long as the connection is known.
    private CancellationTokenSource? _source;
    private bool _isGiven;

    /// <summary>Cancelled when word is given, or has been.</summary>
    public CancellationToken Token
    {
        get
        {
            var source = Volatile.Read(ref _source);
            if (source is null)
            {
                var made = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _source, made, null) ?? made;
                // Told first, and looked at afterwards; whoever gives word does the reverse, so that one of the two sees the other.
                if (Volatile.Read(ref _isGiven))
                {
                    source.Cancel();
                }
            }

            return source.Token;
        }
    }

    /// <summary>Gives word, once. What has been registered for that happens before this returns.</summary>
    /// <returns>Whether anybody wanted to hear.</returns>
    /// <exception cref="AggregateException">What was registered failed.</exception>
    public bool Give()
    {
        if (Interlocked.Exchange(ref _isGiven, true) || Volatile.Read(ref _source) is not { } source)
        {
            return false;
        }

        source.Cancel();
        return true;
    }
}
