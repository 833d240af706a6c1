namespace MeshClient.Balancing;

/// <summary>
/// Weighted turns without a schedule worked out beforehand, for weights that change every second: gRPC's static stride scheduler
/// (grpc-go, balancer/weightedroundrobin/scheduler.go). Everyone is looked at once per round; one of weight w out of at most 65 535
/// takes its turn in w of 65 535 rounds, spread evenly, and rounds of different ones are shifted against each other.
/// </summary>
internal sealed class StaticStride
{
    private const ulong Greatest = ushort.MaxValue;

    private readonly ushort[] _weights;
    private ulong _sequence;

    /// <param name="weights">Greater than 0; brought to 1 to 65 535 in proportion. All count the same when one of them is no number, or none is above 0.</param>
    /// <param name="start">Where in the sequence to begin.</param>
    public StaticStride(ReadOnlySpan<double> weights, ulong start)
    {
        double greatest = 0;
        foreach (var weight in weights)
        {
            greatest = Math.Max(greatest, weight);
        }

        // Or nobody would take every turn, and the search for a turn would not end.
        var areNumbers = greatest > 0 && double.IsFinite(greatest);
        _weights = new ushort[weights.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            _weights[i] = areNumbers ? (ushort)Math.Max(1, Math.Round(weights[i] / greatest * Greatest)) : ushort.MaxValue;
        }

        // Far from where it would run over within the life of a process.
        _sequence = start >> 16;
    }

    public int Next()
    {
        while (true)
        {
            // The heaviest takes every turn it is offered, so this ends within a round.
            var sequence = Interlocked.Increment(ref _sequence);
            var count = (ulong)_weights.Length;
            var index = sequence % count;
            var round = sequence / count;
            ulong weight = _weights[index];
            if (((weight * round) + (index * (Greatest / 2))) % Greatest >= Greatest - weight)
            {
                return (int)index;
            }
        }
    }
}
