using System.Diagnostics;

namespace MeshClient.Benchmarks;

/// <summary>
/// Times variants against each other on a noisy machine: in every round each variant runs once, in turn, and what counts is the
/// median over the rounds of the difference to, and ratio of, the first variant of the same round.
/// </summary>
internal static class Measurement
{
    private const int WarmUpMilliseconds = 800;

    // Many short rounds rather than few long ones: shorter than the time a scheduler gives another process, so what others take
    // is in some rounds and not in the median.
    private const int Rounds = 301;
    private const int RoundMilliseconds = 5;

    public static List<Row> Compare(params Variant[] variants)
    {
        foreach (var variant in variants)
        {
            RunFor(variant, WarmUpMilliseconds);
        }

        var samples = variants.Select(_ => new List<Sample>()).ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < variants.Length; i++)
            {
                samples[i].Add(RunFor(variants[i], RoundMilliseconds));
            }
        }

        return [.. variants.Select((variant, i) => new Row(
            variant.Name,
            Median(samples[i].Select(sample => sample.Nanoseconds)),
            Median(samples[i].Select(sample => sample.Bytes)),
            Median(samples[i].Zip(samples[0], (own, first) => own.Nanoseconds - first.Nanoseconds)),
            Median(samples[i].Zip(samples[0], (own, first) => own.Bytes - first.Bytes)),
            Median(samples[i].Zip(samples[0], (own, first) => own.Nanoseconds / first.Nanoseconds))))];
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? 0 : sorted[sorted.Length / 2];
    }

    private static Sample RunFor(Variant variant, int milliseconds)
    {
        const int Batch = 256;
        using var around = variant.Around?.Invoke();
        var operations = 0L;
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var started = Stopwatch.GetTimestamp();
        do
        {
            for (var i = 0; i < Batch; i++)
            {
                variant.Operation();
            }

            operations += Batch;
        }
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < milliseconds);
        var elapsed = Stopwatch.GetElapsedTime(started);
        return new Sample(
            elapsed.TotalNanoseconds / operations,
            (double)(GC.GetAllocatedBytesForCurrentThread() - bytes) / operations);
    }

    private readonly record struct Sample(double Nanoseconds, double Bytes);
}

/// <summary>One way of doing it.</summary>
/// <param name="Name">Its name in the table.</param>
/// <param name="Operation">One run, to its end on the calling thread.</param>
internal sealed record Variant(string Name, Action Operation)
{
    /// <summary>Sets up what is there only while this variant runs; null: nothing.</summary>
    public Func<IDisposable>? Around { get; init; }
}

/// <summary>What one variant came to, per operation.</summary>
internal sealed record Row(
    string Name, double Nanoseconds, double Bytes, double AddedNanoseconds, double AddedBytes, double Ratio);
