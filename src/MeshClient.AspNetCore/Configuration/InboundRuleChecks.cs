using MeshClient.AspNetCore.Endpoints;
using MeshClient.Configuration;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>Checks what <see cref="MeshInboundOptions"/> says about callers.</summary>
internal static class InboundRuleChecks
{
    public static void Check(OptionChecks checks, MeshInboundOptions options)
    {
        checks.OneOf(nameof(options.Mode), options.Mode);
        foreach (var (name, rule) in options.Rules)
        {
            var key = $"Mesh:Inbound:Rules:{name}";
            if (string.IsNullOrWhiteSpace(rule.Endpoint) == string.IsNullOrWhiteSpace(rule.Route))
            {
                checks.Add($"{key} has to have either an Endpoint or a Route.");
            }

            CheckCallers(checks, key, rule.Callers);
        }

        foreach (var (provider, scheme) in options.Passports)
        {
            if (string.IsNullOrWhiteSpace(scheme))
            {
                checks.Add($"Mesh:Inbound:Passports:{provider} is empty; it has to be the name of an authentication scheme.");
            }
        }

        ForwardChecks.CheckHeaders(checks, nameof(options.ForwardableHeaders), options.ForwardableHeaders, mayNameToken: true);
        if (options.Diagnostics.Enabled)
        {
            CheckCallers(checks, "Mesh:Inbound:Diagnostics", options.Diagnostics.Callers);
        }
    }

    private static void CheckCallers(OptionChecks checks, string key, IList<string> callers)
    {
        if (callers.Count == 0)
        {
            checks.Add($"{key}:Callers is empty; it has to name a service or a SPIFFE id at least.");
        }

        if (new CallerList(callers).Unreadable is { } name)
        {
            checks.Add($"{key}:Callers has '{name}', which is neither a service name nor a SPIFFE id.");
        }
    }
}
