using System.Runtime.CompilerServices;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Draws two different instances at random and takes the cheaper, which keeps the greatest load within O(log log n) of the mean
/// at constant cost (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001), and unlike
/// "the best of all" does not send every client to the same instance at once. What an instance costs is the policy's own.
/// </summary>
/// <remarks>
/// One that is ejected or has been tried by this call loses against one that is not. When both drawn are out, it draws
/// again, four times in all: enough that half the instances may be out and still 99 % of picks find a good one (Finagle,
/// P2CPick, maxEffort). Then the list is walked once.
/// With unequal weights each is drawn in proportion to its weight, by an <see cref="AliasTable"/>, and the calls in flight are
/// counted per weight: while instances are idle the draw alone keeps the shares, and when they are busy the comparison does.
/// Dividing the whole cost by the weight instead would give nothing to a light instance for as long as a heavy one is idle.
/// Both draws are made from all, so the same one may come twice and is then taken: that makes "a, then b" exactly as likely as "b,
/// then a", and whatever sets one above the other at random cannot bend the shares.
/// </remarks>
internal sealed class TwoChoicesPicker<TCost> : InstancePicker
    where TCost : struct, IInstanceCost
{
    private const int MaxEffort = 4;

    private readonly InstanceState[] _instances;
    private readonly AliasTable? _draw;
    private readonly double[] _perWeight = [];
    private readonly SlowStart? _slowStart;

    /// <param name="instances">Those that may be called.</param>
    /// <param name="weights">Their weights, greater than 0; empty: all the same.</param>
    /// <param name="slowStart">Holds back those that have just come; null: nothing does.</param>
    public TwoChoicesPicker(InstanceState[] instances, ReadOnlySpan<double> weights = default, SlowStart? slowStart = null)
    {
        _instances = instances;
        _slowStart = slowStart;
        if (AliasTable.AreUnequal(weights))
        {
            _draw = new AliasTable(weights);
            var greatest = double.MinValue;
            foreach (var weight in weights)
            {
                greatest = Math.Max(greatest, weight);
            }

            _perWeight = new double[weights.Length];
            for (var i = 0; i < weights.Length; i++)
            {
                _perWeight[i] = greatest / weights[i];
            }
        }
    }

    public override InstanceState? TryPick(in PickCall call)
    {
        if (!call.AllGood || _instances.Length < 2 || _slowStart?.IsOver(call.Now) == false)
        {
            return TryPickWithCare(call);
        }

        var (first, second) = Draw(call.Random);
        return Cheaper(first, second, call.Now);
    }

    // One pick after the other where they are found, themselves, and what they are called with.
    public override void Foresee(MeshRandom random)
    {
        var instances = _instances;
        if (_draw is not null)
        {
            return;
        }

        var (first, second) = DrawEvenly(random.ForeseeBits(3), instances.Length);
        Prefetch.At(ref instances[first]);
        Prefetch.At(ref instances[second]);
        (first, second) = DrawEvenly(random.ForeseeBits(2), instances.Length);
        Prefetch.Of(instances[first]);
        Prefetch.Of(instances[second]);
        (first, second) = DrawEvenly(random.ForeseeBits(1), instances.Length);
        Prefetch.Of(instances[first].Pool);
        Prefetch.Of(instances[second].Pool);
    }

    private InstanceState? TryPickWithCare(in PickCall call)
    {
        if (_instances.Length < 2)
        {
            return _instances.Length == 1 && call.IsGood(_instances[0]) ? _instances[0] : null;
        }

        for (var effort = 0; effort < MaxEffort; effort++)
        {
            var (first, second) = Draw(call.Random);
            var a = _instances[first];
            var b = _instances[second];
            var aGood = call.IsGood(a);
            var bGood = call.IsGood(b);
            if (aGood & bGood)
            {
                return PickOfTwo(first, second, call);
            }

            if (aGood | bGood)
            {
                return aGood ? a : b;
            }
        }

        return AnyGood(_instances, call);
    }

    private InstanceState PickOfTwo(int first, int second, in PickCall call)
    {
        if (_slowStart is not null && !_slowStart.IsOver(call.Now))
        {
            var aReady = _slowStart.Admits(_instances[first], call);
            var bReady = _slowStart.Admits(_instances[second], call);
            if (aReady != bReady)
            {
                return _instances[aReady ? first : second];
            }
        }

        return Cheaper(first, second, call.Now);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (int First, int Second) Draw(MeshRandom random) => _draw is null
        ? DrawEvenly(random.NextBits(), _instances.Length)
        : (_draw.Draw(random), _draw.Draw(random));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private InstanceState Cheaper(int first, int second, long now)
    {
        var instances = _instances;
        var a = instances[first];
        var b = instances[second];
        return instances[Branchless.Choose(
            first,
            second,
            _draw is null ? TCost.Compare(a, b, now) : TCost.Compare(a, _perWeight[first], b, _perWeight[second], now))];
    }

    // The second from one place fewer, and past the first: two different ones without bias, from one draw.
    private static (int First, int Second) DrawEvenly(ulong bits, int count)
    {
        var first = MeshRandom.Scale((uint)bits, count);
        var second = MeshRandom.Scale((uint)(bits >> 32), count - 1);
        return (first, Branchless.Choose(second + 1, second, (long)second - first));
    }
}
