namespace MeshClient.Balancing;

/// <summary>
/// The order in which instances of given weights take their turns, worked out once, so that a pick is one step: each comes as
/// often as its weight says, spread as evenly as the weights allow.
/// </summary>
/// <remarks>
/// The order is that of nginx's smooth weighted round robin (src/http/ngx_http_upstream_round_robin.c): before each turn everyone
/// gains its weight, the one with most takes the turn and pays the sum of all. For 5, 1, 1 that is a a b a c a a.
/// One turn costs a look at everyone there, so where that would be long (thousands of instances with many different weights)
/// the turns are dealt by earliest deadline instead, the k-th turn of weight w being due at (k - 1/2) / w, as gRPC's
/// scheduler of A58 and Envoy's do: the same counts in each round, in a slightly different order.
/// </remarks>
internal static class SmoothSchedule
{
    // 64 Ki turns are 256 KB. Greater weights are brought down in proportion, but nobody below one turn.
    private const int MaxTurns = 65_536;

    // What working out a schedule may cost in looks; some tens of milliseconds, off the way of calls.
    private const long MaxLooks = 8_000_000;

    /// <summary>Works out one round.</summary>
    /// <param name="weights">0 or more; one of weight 0 gets no turn.</param>
    /// <returns>The index of each turn's instance.</returns>
    public static int[] Build(ReadOnlySpan<int> weights)
    {
        var reduced = Reduce(weights);
        var turns = 0;
        foreach (var weight in reduced)
        {
            turns += weight;
        }

        return (long)turns * reduced.Length <= MaxLooks ? BySurplus(reduced, turns) : ByDeadline(reduced, turns);
    }

    private static int[] Reduce(ReadOnlySpan<int> weights)
    {
        long divisor = 0;
        long sum = 0;
        foreach (var weight in weights)
        {
            divisor = Gcd(divisor, weight);
            sum += weight;
        }

        if (sum == 0)
        {
            return [];
        }

        var reduced = new int[weights.Length];
        var most = Math.Max(MaxTurns, 4L * weights.Length);
        var isTooLong = sum / divisor > most;
        for (var i = 0; i < weights.Length; i++)
        {
            reduced[i] = isTooLong
                ? weights[i] == 0 ? 0 : Math.Max(1, (int)((double)weights[i] / sum * most))
                : (int)(weights[i] / divisor);
        }

        return reduced;
    }

    private static int[] BySurplus(int[] weights, int turns)
    {
        var schedule = new int[turns];
        var surplus = new long[weights.Length];
        for (var turn = 0; turn < turns; turn++)
        {
            var best = -1;
            for (var i = 0; i < weights.Length; i++)
            {
                surplus[i] += weights[i];
                if (weights[i] > 0 && (best < 0 || surplus[i] > surplus[best]))
                {
                    best = i;
                }
            }

            surplus[best] -= turns;
            schedule[turn] = best;
        }

        return schedule;
    }

    private static int[] ByDeadline(int[] weights, int turns)
    {
        var schedule = new int[turns];
        var due = new PriorityQueue<int, (double Deadline, int Index)>(weights.Length);
        var taken = new int[weights.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            if (weights[i] > 0)
            {
                due.Enqueue(i, (0.5 / weights[i], i));
            }
        }

        for (var turn = 0; turn < turns; turn++)
        {
            var next = due.Dequeue();
            schedule[turn] = next;
            taken[next]++;
            due.Enqueue(next, ((taken[next] + 0.5) / weights[next], next));
        }

        return schedule;
    }

    private static long Gcd(long a, long b)
    {
        while (b != 0)
        {
            (a, b) = (b, a % b);
        }

        return a;
    }
}
