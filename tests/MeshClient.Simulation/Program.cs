using System.Globalization;
using MeshClient.Simulation.Experiments;

var seed = 1UL;
var names = new List<string>();
for (var i = 0; i < args.Length; i++)
{
    if (args[i] == "--seed" && i + 1 < args.Length && ulong.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out seed))
    {
        i++;
    }
    else if (args[i] != "all" && args[i] != RetryStormName && ExperimentList.All.All(one => one.Name != args[i]))
    {
        Console.Error.WriteLine($"""
            '{args[i]}' is not known. Calls a simulated fleet through the real client, in virtual time, and prints what came of it.

              dotnet run -c Release --project tests/MeshClient.Simulation -- [--seed N] all | {string.Join(" | ", ExperimentList.All.Select(one => one.Name))} | {RetryStormName}

            The same seed gives the same run. Default: seed 1, all.
            """);
        return 2;
    }
    else
    {
        names.Add(args[i]);
    }
}

var all = names.Count == 0 || names.Contains("all");
foreach (var experiment in ExperimentList.All.Where(one => all || names.Contains(one.Name)))
{
    await experiment.RunAsync(seed, Console.Out);
}

if (all || names.Contains(RetryStormName))
{
    await RetryStorm.PrintAsync(seed, Console.Out);
}

return 0;

internal static partial class Program
{
    private const string RetryStormName = "retry-storm";
}
