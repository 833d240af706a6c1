namespace MeshClient.Outbound;

/// <summary>
/// Waits for the answer to a call's first attempt: what an asynchronous method would do, but used again and again, so that waiting
/// allocates nothing.
/// </summary>
internal abstract class AnswerContinuation
{
    private readonly Action _onAnswer;
    private OutboundAttempt? _attempt;
    private Task<HttpResponseMessage>? _sending;
    private ExecutionContext? _context;

    protected AnswerContinuation() => _onAnswer = OnAnswer;

    /// <summary>Takes in what to wait for.</summary>
    protected void Set(OutboundAttempt attempt, Task<HttpResponseMessage> sending)
    {
        _attempt = attempt;
        _sending = sending;
        // What the stages and their listeners see as current, the app's span among it, has to be the app's also afterwards.
        _context = ExecutionContext.Capture();
    }

    /// <summary>Has <see cref="OnAnswer"/> called when the answer is there, be it at once.</summary>
    protected void Listen(Task sending) => sending.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onAnswer);

    /// <summary>Lets go of what was waited for, so that this can be used again.</summary>
    protected (OutboundAttempt Attempt, Task<HttpResponseMessage> Sending) Take()
    {
        var waited = (_attempt!, _sending!);
        (_attempt, _sending, _context) = (null, null, null);
        return waited;
    }

    /// <summary>Does something as the app would.</summary>
    protected void RunAsApp(ContextCallback what)
    {
        if (_context is { } context)
        {
            ExecutionContext.Run(context, what, this);
        }
        else
        {
            what(this);
        }
    }

    /// <summary>The answer is there, or the attempt has failed.</summary>
    protected abstract void OnAnswer();
}
