using MeshClient.Configuration;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Registration;

/// <summary>Checks the registration's options at start and reports everything that is wrong with them at once.</summary>
internal sealed class MeshRegistrationOptionsValidator(IConfiguration? configuration = null) : IValidateOptions<MeshRegistrationOptions>
{
    private const int GreatestPort = 65535;

    public ValidateOptionsResult Validate(string? name, MeshRegistrationOptions options)
    {
        var checks = new OptionChecks(MeshRegistrationOptions.SectionName);
        if (configuration is not null)
        {
            checks.AddRange(SectionChecks.Find(
                configuration.GetSection(MeshRegistrationOptions.SectionName), typeof(MeshRegistrationOptions)));
        }

        if (options.Address is { } address && Uri.CheckHostName(address) == UriHostNameType.Unknown)
        {
            checks.Add($"Mesh:Registration:Address is '{address}'; it has to be an IP address or a host name, without a port.");
        }

        if (options.InstanceId is { } id
            && (id.Length is 0 or > Core.Naming.InstanceId.MaxLength || id.Any(char.IsControl)))
        {
            checks.Add(
                $"Mesh:Registration:InstanceId has {id.Length} characters; it has to have 1 to {Core.Naming.InstanceId.MaxLength}, none of them a control character.");
        }

        checks.Range(nameof(options.Port), options.Port, 1, GreatestPort);
        checks.Range(nameof(options.Weight), options.Weight, 1, GreatestPort);
        checks.Range(nameof(options.TimeToLive), options.TimeToLive, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        checks.Range(
            nameof(options.DeregisterAfter), options.DeregisterAfter, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7), zeroAllowed: true);
        checks.Range(nameof(options.DrainDelay), options.DrainDelay, TimeSpan.Zero, TimeSpan.FromMinutes(5));
        checks.Range(nameof(options.DrainTimeout), options.DrainTimeout, TimeSpan.Zero, TimeSpan.FromHours(1));
        return checks.Errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(checks.Errors);
    }
}
