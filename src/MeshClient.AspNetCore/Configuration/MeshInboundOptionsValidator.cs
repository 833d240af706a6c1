using MeshClient.Configuration;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>Checks the inbound options at start and reports everything that is wrong with them at once.</summary>
internal sealed class MeshInboundOptionsValidator(IConfiguration? configuration = null) : IValidateOptions<MeshInboundOptions>
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(100);

    public ValidateOptionsResult Validate(string? name, MeshInboundOptions options)
    {
        var checks = new OptionChecks(MeshInboundOptions.SectionName);
        if (configuration is not null)
        {
            checks.AddRange(SectionChecks.Find(configuration.GetSection(MeshInboundOptions.SectionName), typeof(MeshInboundOptions)));
        }

        if (!ListenAddress.TryParse(options.Address, out _))
        {
            checks.Add(
                $"Mesh:Inbound:Address is '{options.Address}'; it has to be address:port, such as 10.1.2.3:8443, [::1]:8443, localhost:8443 or *:0.");
        }

        checks.Range(nameof(options.HandshakeTimeout), options.HandshakeTimeout, Least, TimeSpan.FromMinutes(5));
        checks.Range(nameof(options.StartTimeout), options.StartTimeout, Least, TimeSpan.FromHours(1));
        checks.Range("Deadline:Default", options.Deadline.Default, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1));
        if (options.DefaultAction is { } action)
        {
            checks.OneOf(nameof(options.DefaultAction), action);
        }

        for (var i = 0; i < options.ExemptEndpoints.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(options.ExemptEndpoints[i]))
            {
                checks.Add($"Mesh:Inbound:ExemptEndpoints:{i} is empty; it has to be an endpoint's name or a path beginning with a slash.");
            }
        }

        ExposeChecks.Check(checks, options.Expose);
        InboundOverloadChecks.Check(checks, options.Overload);
        InboundRuleChecks.Check(checks, options);
        return checks.Errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(checks.Errors);
    }
}
