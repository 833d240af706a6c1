using MeshClient.Consul;
using MeshClient.Core.Naming;
using MeshClient.Resilience;
using MeshClient.Restart;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.Configuration;

/// <summary>Checks the options at start and reports everything that is wrong with them at once.</summary>
internal sealed class MeshOptionsValidator(
    IConfiguration? configuration = null, IEnumerable<MeshSubsection>? subsections = null, IServiceProviderIsService? registered = null)
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
        StateFileChecks.Check(checks, options.StateFile, registered?.IsService(typeof(IStateProtector)) ?? false);
        checks.OneOf("OutboundTraffic", options.OutboundTraffic);
        checks.Range("WatchIdleTimeout", options.WatchIdleTimeout, TimeSpan.FromSeconds(1), Day);
        checks.Range("DiscoveryTimeout", options.DiscoveryTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(5));
        checks.Range("RotationSpread", options.RotationSpread, TimeSpan.Zero, TimeSpan.FromHours(1));
        IdentityChecks.Check(checks, options.Identity);
        foreach (var (service, forward) in options.Forwards)
        {
            ForwarderChecks.Check(checks, service, forward);
        }

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
        checks.Range($"{key}:FallbackTimeout", options.FallbackTimeout, Millisecond, Day, zeroAllowed: true);
        checks.Range($"{key}:MaxConcurrency", options.MaxConcurrency, 1, 1_000_000);
        checks.Range($"{key}:MaxRetries", options.MaxRetries, 0, 10);
        checks.Range($"{key}:RetryBudgetRatio", options.RetryBudgetRatio, 0, 10);
        checks.Range($"{key}:RetryBudgetPerSecond", options.RetryBudgetPerSecond, 0, 10_000);
        HealthOptionsChecks.Check(checks, $"{key}:Health", options.Health, inForce.Health);
        BalancingChecks.Check(checks, $"{key}:Balancing", options.Balancing, inForce.Balancing);
        if (options.Profile is { } profile)
        {
            checks.OneOf($"{key}:Profile", profile);
        }

        RetrySettings.Check(checks, $"{key}:Retry", options.Retry);
        HedgingSettings.Check(checks, $"{key}:Hedging", options.Hedging);
        CircuitBreakerSettings.Check(checks, $"{key}:CircuitBreaker", options.CircuitBreaker);
        ForwardChecks.Check(checks, $"{key}:Forward", options.Forward);
        OverloadChecks.Check(checks, $"{key}:Overload", options.Overload, inForce.Overload);
        // A call's limit below an attempt's that was not set here is no mistake: the attempt then just ends with its call.
        if (options.AttemptTimeout is not null && inForce.CallTimeout > TimeSpan.Zero && inForce.AttemptTimeout > inForce.CallTimeout)
        {
            checks.Add(
                $"Mesh:{key}:AttemptTimeout is {inForce.AttemptTimeout}, longer than CallTimeout {inForce.CallTimeout}; an attempt cannot outlive its call.");
        }
    }
}
