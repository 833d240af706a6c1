using System.Globalization;
using System.Text.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Judges service-splitter entries.</summary>
internal static class SplitterValidation
{
    public static string? FindProblem(string name, JsonElement splitter)
    {
        var seen = new HashSet<(string Service, string Subset)>();
        var (sum, i) = (0m, 0);
        foreach (var leg in splitter.Items("Splits"))
        {
            var (service, subset) = (leg.Text("Service"), leg.Text("ServiceSubset"));
            if (!seen.Add((service.Length == 0 ? name : service, subset)))
            {
                return $"split destination occurs more than once: service=\"{(service.Length == 0 ? name : service)}\", subset=\"{subset}\", namespace=\"\"";
            }

            var weight = leg.Part("Weight").GetDecimal();
            if (weight is < 0 or > 100)
            {
                return $"the weight of a split must be between 0 and 100, not {weight.ToString(CultureInfo.InvariantCulture)}";
            }

            if (ConfigValidation.FindForeign(leg, $"Splits[{i}]") is { } foreign)
            {
                return foreign;
            }

            sum += weight;
            i++;
        }

        if (i == 0)
        {
            return "no splits configured";
        }

        // Consul prints a float of 32 bits.
        return sum == 100 ? null
            : $"the sum of all split weights must be 100, not {((double)(float)sum).ToString("F6", CultureInfo.InvariantCulture)}";
    }
}
