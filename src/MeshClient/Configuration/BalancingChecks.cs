using MeshClient.Balancing;

namespace MeshClient.Configuration;

/// <summary>Checks how a service is balanced.</summary>
internal static class BalancingChecks
{
    public static void Check(OptionChecks checks, string key, MeshBalancingOptions options, BalancingSettings inForce)
    {
        checks.OneOf($"{key}:Policy", options.Policy ?? default);
        checks.OneOf($"{key}:Zone", options.Zone ?? default);
        checks.Range($"{key}:BoundedLoad", options.BoundedLoad, 1.05, 10, zeroAllowed: true);
        checks.Range($"{key}:RingPoints", options.RingPoints, 1, 65_536);
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

        // Once, where it was said, and not again for each service that takes it over.
        if (!inForce.IsHashed || (options.Policy, options.HashKey, options.Aperture, options.Zone) is (null, null, null, null))
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
