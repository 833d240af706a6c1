using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Doctor;

namespace MeshClient.Tool.Commands;

/// <summary><c>doctor</c>: looks at a set-up as a member of the mesh would, and says what is wrong and what to do.</summary>
internal static class DoctorCommand
{
    public static Command Build(SharedOptions shared)
    {
        var service = new Option<string?>("--service", "-s") { Description = "Look also at what this service needs: its certificate, its instances, who may call it.", HelpName = "name" };
        return Verbs.Create(
            shared, "doctor", $"Checks a set-up and says what is wrong. Ends with {ExitCodes.Failed} when something is.", [service],
            async (parsed, registry, output, cancellationToken) =>
            {
                var findings = new List<Finding>();
                await foreach (var finding in new Examination(registry, TimeProvider.System).RunAsync(parsed.GetValue(service), cancellationToken).ConfigureAwait(false))
                {
                    findings.Add(finding);
                    if (!output.IsJson)
                    {
                        output.StreamLine($"{finding.Word,-5} {finding.What}: {finding.Says}{(finding.Remedy is null ? string.Empty : $" {finding.Remedy}")}");
                    }
                }

                if (output.IsJson)
                {
                    output.Json(new JsonArray([.. findings.Select(one => new JsonObject
                    {
                        ["Check"] = one.What, ["Status"] = one.Word, ["Message"] = one.Says, ["Remedy"] = one.Remedy,
                    })]));
                }

                return findings.Exists(one => one.Severity == Severity.Wrong) ? ExitCodes.Failed : ExitCodes.Ok;
            });
    }
}
