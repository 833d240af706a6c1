namespace MeshClient.Outbound;

/// <summary>Waits for the answer, and for nothing else.</summary>
/// <remarks>Given back before the pipeline is told, since what follows may make the next call at once, on the same thread.</remarks>
internal sealed class PlainContinuation : AnswerContinuation
{
    private readonly Pool _pool;

    private PlainContinuation(Pool pool) => _pool = pool;

    protected override void OnAnswer() => RunAsApp(static state => ((PlainContinuation)state!).Tell());

    private void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending)
    {
        Set(attempt, sending);
        Listen(sending);
    }

    private void Tell()
    {
        var (attempt, sending) = Take();
        _pool.Spares.TryKeep(this);
        _pool.Pipeline.Answered(attempt, sending);
    }

    /// <summary>Keeps those that wait for nothing.</summary>
    internal sealed class Pool(OutboundPipeline pipeline)
    {
        private const int MaxKept = 256;

        public OutboundPipeline Pipeline { get; } = pipeline;

        public Spares<PlainContinuation> Spares { get; } = new(MaxKept);

        /// <summary>Has the pipeline told when the answer is there, or the attempt has failed.</summary>
        public void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending) =>
            (Spares.TryTake() ?? new PlainContinuation(this)).Await(attempt, sending);
    }
}
