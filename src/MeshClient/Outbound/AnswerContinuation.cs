namespace MeshClient.Outbound;

/// <summary>
/// Waits for the answer to a call's first attempt: what an asynchronous method would do, but used again and again, so that waiting
/// allocates nothing.
/// </summary>
/// <remarks>Given back before the pipeline is told, since what follows may make the next call at once, on the same thread.</remarks>
internal sealed class AnswerContinuation
{
    private readonly OutboundPipeline _pipeline;
    private readonly Pool _pool;
    private readonly Action _onAnswer;
    private OutboundAttempt? _attempt;
    private Task<HttpResponseMessage>? _sending;
    private ExecutionContext? _context;

    private AnswerContinuation(OutboundPipeline pipeline, Pool pool)
    {
        _pipeline = pipeline;
        _pool = pool;
        _onAnswer = OnAnswer;
    }

    private void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending)
    {
        _attempt = attempt;
        _sending = sending;
        // What the stages and their listeners see as current, the app's span among it, has to be the app's also afterwards.
        _context = ExecutionContext.Capture();
        sending.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onAnswer);
    }

    private void OnAnswer()
    {
        if (_context is { } context)
        {
            ExecutionContext.Run(context, static state => ((AnswerContinuation)state!).Tell(), this);
        }
        else
        {
            Tell();
        }
    }

    private void Tell()
    {
        var (attempt, sending) = (_attempt!, _sending!);
        (_attempt, _sending, _context) = (null, null, null);
        _pool.Return(this);
        _pipeline.Answered(attempt, sending);
    }

    /// <summary>Keeps those that wait for nothing.</summary>
    internal sealed class Pool(OutboundPipeline pipeline)
    {
        private const int MaxKept = 256;

        private readonly Spares<AnswerContinuation> _spares = new(MaxKept);

        /// <summary>Has the pipeline told when the answer is there, or the attempt has failed.</summary>
        public void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending) =>
            (_spares.TryTake() ?? new AnswerContinuation(pipeline, this)).Await(attempt, sending);

        public void Return(AnswerContinuation continuation) => _spares.TryKeep(continuation);
    }
}
