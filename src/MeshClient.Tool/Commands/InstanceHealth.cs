using System.Text.Json.Nodes;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary>What the checks of an instance come to: Consul's own order, maintenance before critical before warning.</summary>
internal static class InstanceHealth
{
    public const string Passing = "passing";
    public const string Warning = "warning";
    public const string Critical = "critical";
    public const string Maintenance = "maintenance";

    /// <summary>The worst of an entry's checks.</summary>
    /// <param name="entry">An entry of <c>health/service</c>.</param>
    public static string Of(JsonObject entry)
    {
        var worst = Passing;
        foreach (var check in entry.Objects("Checks"))
        {
            var id = check.Text("CheckID");
            if (id == "_node_maintenance" || id.StartsWith("_service_maintenance:", StringComparison.Ordinal))
            {
                return Maintenance;
            }

            worst = check.Text("Status") switch
            {
                Passing => worst,
                Warning => worst == Passing ? Warning : worst,
                _ => Critical,
            };
        }

        return worst;
    }

    /// <summary>What the checks say that do not pass.</summary>
    public static string Reason(JsonObject entry) => string.Join(
        "; ", entry.Objects("Checks").Where(check => check.Text("Status") != Passing).Select(check => $"{check.Text("Name")}: {FirstLine(check.Text("Output"))}"));

    private static string FirstLine(string text) => text.Split('\n')[0].Trim();
}
