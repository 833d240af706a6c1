namespace MeshClient.Configuration;

/// <summary>Checks <see cref="MeshHealthOptions"/>.</summary>
internal static class HealthOptionsChecks
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    /// <summary>Checks.</summary>
    /// <param name="checks">Where what is wrong is collected.</param>
    /// <param name="key">The key of the options inside the section.</param>
    /// <param name="options">What was set.</param>
    /// <param name="inForce">What is in force with it.</param>
    public static void Check(OptionChecks checks, string key, MeshHealthOptions options, HealthSettings inForce)
    {
        checks.Range($"{key}:ConsecutiveFailures", options.ConsecutiveFailures, 0, 10_000);
        checks.Range($"{key}:SuccessRate", options.SuccessRate, 0, 1);
        checks.Range($"{key}:OutlierDeviation", options.OutlierDeviation, 0, 10);
        checks.Range($"{key}:FailurePercentage", options.FailurePercentage, 0, 100);
        checks.Range($"{key}:BaseEjection", options.BaseEjection, Least, Hour);
        checks.Range($"{key}:MaxEjection", options.MaxEjection, Least, Day);
        checks.Range($"{key}:MaxEjectionPercent", options.MaxEjectionPercent, 0, 100);
        checks.Range($"{key}:PanicPercent", options.PanicPercent, 0, 100);
        checks.Range($"{key}:ConnectBackoff", options.ConnectBackoff, Least, TimeSpan.FromMinutes(10), zeroAllowed: true);
        checks.Range($"{key}:MaxConnectBackoff", options.MaxConnectBackoff, Least, Hour);
        if ((options.BaseEjection ?? options.MaxEjection) is not null && inForce.MaxEjection < inForce.BaseEjection)
        {
            checks.Add($"Mesh:{key}:MaxEjection is {inForce.MaxEjection}, shorter than BaseEjection {inForce.BaseEjection}; no ejection could last that long.");
        }

        if ((options.ConnectBackoff ?? options.MaxConnectBackoff) is not null && inForce.MaxConnectBackoff < inForce.ConnectBackoff)
        {
            checks.Add($"Mesh:{key}:MaxConnectBackoff is {inForce.MaxConnectBackoff}, shorter than ConnectBackoff {inForce.ConnectBackoff}.");
        }

        CheckProbe(checks, $"{key}:Probe", options.Probe);
    }

    private static void CheckProbe(OptionChecks checks, string key, MeshProbeOptions options)
    {
        if (options.Kind is { } kind)
        {
            checks.OneOf($"{key}:Kind", kind);
        }

        checks.Range($"{key}:Interval", options.Interval, TimeSpan.FromMilliseconds(100), Hour);
        checks.Range($"{key}:Timeout", options.Timeout, Least, TimeSpan.FromMinutes(5));
        checks.Range($"{key}:UnhealthyThreshold", options.UnhealthyThreshold, 1, 100);
        checks.Range($"{key}:HealthyThreshold", options.HealthyThreshold, 1, 100);
        checks.Range($"{key}:IdleTimeout", options.IdleTimeout, TimeSpan.FromSeconds(1), Day);
        // Behind a host, because a path of its own is taken for a file.
        if (options.Path is { } path && (!path.StartsWith('/') || !Uri.TryCreate($"http://host{path}", UriKind.Absolute, out _)))
        {
            checks.Add($"Mesh:{key}:Path is '{path}'; it has to be a path that begins with '/', such as /healthz.");
        }
    }
}
