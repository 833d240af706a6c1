using System.Globalization;
using System.Runtime.InteropServices;

namespace MeshClient.Benchmarks;

/// <summary>Writes results as tables.</summary>
internal static class Print
{
    /// <summary>What they were measured on.</summary>
    public static void Machine()
    {
        Console.WriteLine(
            $"{Environment.ProcessorCount} processors ({ProcessorName()}), {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}");
        Console.WriteLine();
    }

    public static void Rows(string title, IEnumerable<Row> rows)
    {
        Console.WriteLine($"### {title}");
        Console.WriteLine();
        Console.WriteLine("| variant | ns/call | B/call | added ns | added B | ratio |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|");
        foreach (var row in rows)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {row.Name} | {row.Nanoseconds:F0} | {row.Bytes:F0} | {row.AddedNanoseconds:F0} | {row.AddedBytes:F0} | {row.Ratio:F2} |"));
        }

        Console.WriteLine();
    }

    private static string ProcessorName()
    {
        const string Info = "/proc/cpuinfo";
        return File.Exists(Info)
            ? File.ReadLines(Info).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown"
            : RuntimeInformation.ProcessArchitecture.ToString();
    }
}
