using MeshClient.Balancing;
using MeshClient.Consul;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.Configuration;

/// <summary>Checks the options at start and reports everything that is wrong with them at once.</summary>
internal sealed class MeshOptionsValidator(IConfiguration? configuration = null, IEnumerable<MeshSubsection>? subsections = null)
    : IValidateOptions<MeshOptions>
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);

    public ValidateOptionsResult Validate(string? name, MeshOptions options)
    {
        var checks = new OptionChecks(MeshOptions.SectionName);
        if (configuration is not null)
        {
            checks.AddRange(SectionChecks.Find(
                configuration.GetSection(MeshOptions.SectionName), typeof(MeshOptions), [.. (subsections ?? []).Select(one => one.Key)]));
        }

        if (options.Service is not null && !ServiceName.TryParse(options.Service, out _))
        {
            checks.Add($"Mesh:Service is '{options.Service}', which is not a service name: letters, digits, - _ and . are allowed.");
        }

        CheckControlPlane(checks, options.ControlPlane);
        checks.OneOf("OutboundTraffic", options.OutboundTraffic);
        checks.Range("WatchIdleTimeout", options.WatchIdleTimeout, TimeSpan.FromSeconds(1), Day);
        checks.Range("DiscoveryTimeout", options.DiscoveryTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(5));
        checks.Range("RotationSpread", options.RotationSpread, TimeSpan.Zero, TimeSpan.FromHours(1));
        CheckDestination(checks, "Defaults", options.Defaults, DestinationSettings.For(options, string.Empty));
        foreach (var (service, destination) in options.Destinations)
        {
            if (!ServiceName.TryParse(service, out _))
            {
                checks.Add($"Mesh:Destinations:{service} is not a service name: letters, digits, - _ and . are allowed.");
            }

            CheckDestination(checks, $"Destinations:{service}", destination, DestinationSettings.For(options, service));
        }

        return checks.Errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(checks.Errors);
    }

    private static void CheckControlPlane(OptionChecks checks, MeshControlPlaneOptions options)
    {
        ConsulOptions consul;
        try
        {
            consul = options.ToConsulOptions();
        }
        catch (FormatException e)
        {
            checks.Add($"Mesh:ControlPlane:Address is not usable: {e.Message}");
            consul = new MeshControlPlaneOptions
            {
                Token = options.Token,
                CaFile = options.CaFile,
                Datacenter = options.Datacenter,
                MaxParkedQueries = options.MaxParkedQueries,
            }.ToConsulOptions();
        }

        foreach (var problem in consul.FindProblems())
        {
            checks.Add($"Mesh:ControlPlane:{problem}");
        }
    }

    private static void CheckDestination(OptionChecks checks, string key, MeshDestinationOptions options, DestinationSettings inForce)
    {
        checks.Range($"{key}:CallTimeout", options.CallTimeout, Millisecond, Day, zeroAllowed: true);
        checks.Range($"{key}:AttemptTimeout", options.AttemptTimeout, Millisecond, Day, zeroAllowed: true);
        checks.Range($"{key}:ConnectTimeout", options.ConnectTimeout, Millisecond, TimeSpan.FromMinutes(5));
        checks.Range($"{key}:MaxConcurrency", options.MaxConcurrency, 1, 1_000_000);
        checks.Range($"{key}:MaxRetries", options.MaxRetries, 0, 10);
        checks.Range($"{key}:RetryBudgetRatio", options.RetryBudgetRatio, 0, 10);
        checks.Range($"{key}:RetryBudgetPerSecond", options.RetryBudgetPerSecond, 0, 10_000);
        CheckBalancing(checks, $"{key}:Balancing", options.Balancing, inForce.Balancing);
        // A call's limit below an attempt's that was not set here is no mistake: the attempt then just ends with its call.
        if (options.AttemptTimeout is not null && inForce.CallTimeout > TimeSpan.Zero && inForce.AttemptTimeout > inForce.CallTimeout)
        {
            checks.Add(
                $"Mesh:{key}:AttemptTimeout is {inForce.AttemptTimeout}, longer than CallTimeout {inForce.CallTimeout}; an attempt cannot outlive its call.");
        }
    }

    private static void CheckBalancing(OptionChecks checks, string key, MeshBalancingOptions options, BalancingSettings inForce)
    {
        checks.OneOf($"{key}:Policy", options.Policy ?? default);
        checks.OneOf($"{key}:Zone", options.Zone ?? default);
        checks.Range($"{key}:BoundedLoad", options.BoundedLoad, 1.05, 10, zeroAllowed: true);
        checks.Range($"{key}:MinRingSize", options.MinRingSize, 1, RingHashPicker.MaxRingSize / 2);
        checks.Range($"{key}:Aperture", options.Aperture, 2, 1000, zeroAllowed: true);
        checks.Range($"{key}:SlowStart", options.SlowStart, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), zeroAllowed: true);
        checks.Range($"{key}:SlowStartMinimum", options.SlowStartMinimum, 0.01, 1);
        checks.Range($"{key}:SlowStartAggression", options.SlowStartAggression, 0.1, 10);
        checks.Range($"{key}:ReportBlackout", options.ReportBlackout, TimeSpan.Zero, TimeSpan.FromHours(1));
        if (options.HashKey is not null && !HashKey.TryParse(options.HashKey, out _))
        {
            checks.Add(
                $"Mesh:{key}:HashKey is '{options.HashKey}'; it has to be header:NAME, cookie:NAME, query:NAME or path, or several of these joined by commas.");
        }

        if (!inForce.IsHashed)
        {
            return;
        }

        if (inForce.HashKey is null)
        {
            checks.Add($"Mesh:{key}:Policy is {inForce.Policy}, and HashKey is not set; without it there is nothing to go by.");
        }

        // Two callers with different parts or zones would send one key to different instances.
        if (inForce.Aperture > 0 || inForce.Zone != ZonePreference.Off)
        {
            checks.Add(
                $"Mesh:{key}:Policy is {inForce.Policy}, with Aperture {inForce.Aperture} and Zone {inForce.Zone}; a hash policy needs all instances: Aperture 0 and Zone Off.");
        }
    }
}
