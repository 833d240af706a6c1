using MeshClient.Configuration;

namespace MeshClient.Tests.Configuration;

public sealed class HealthOptionsTests
{
    [Fact]
    public void Validate_EverythingOutOfRange_IsReportedTogether()
    {
        var options = new MeshOptions();
        options.Destinations["orders"] = new MeshDestinationOptions
        {
            Health = new MeshHealthOptions
            {
                ConsecutiveFailures = -1,
                SuccessRate = 1.1,
                OutlierDeviation = double.NaN,
                FailurePercentage = 101,
                BaseEjection = TimeSpan.FromMilliseconds(1),
                MaxEjection = TimeSpan.FromDays(2),
                MaxEjectionPercent = 101,
                PanicPercent = -1,
                ConnectBackoff = TimeSpan.FromHours(1),
                MaxConnectBackoff = TimeSpan.FromHours(2),
                Probe = new MeshProbeOptions
                {
                    Kind = (ProbeKind)9,
                    Interval = TimeSpan.Zero,
                    Timeout = TimeSpan.Zero,
                    UnhealthyThreshold = 0,
                    HealthyThreshold = 101,
                    Path = "healthz",
                    IdleTimeout = TimeSpan.Zero,
                },
            },
        };
        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();
        foreach (var key in (string[])
            [
                "ConsecutiveFailures", "SuccessRate", "OutlierDeviation", "FailurePercentage", "BaseEjection", "MaxEjection",
                "MaxEjectionPercent", "PanicPercent", "ConnectBackoff", "MaxConnectBackoff", "Probe:Kind", "Probe:Interval", "Probe:Timeout",
                "Probe:UnhealthyThreshold", "Probe:HealthyThreshold", "Probe:Path", "Probe:IdleTimeout",
            ])
        {
            Assert.Single(failures, failure => failure.StartsWith($"Mesh:Destinations:orders:Health:{key} is ", StringComparison.Ordinal));
        }

        Assert.Equal(17, failures.Count);
    }

    [Fact]
    public void Validate_LongestBelowShortest_IsRefusedWithWhatIsInForce()
    {
        var options = new MeshOptions();
        options.Defaults.Health.MaxEjection = TimeSpan.FromSeconds(20);
        options.Defaults.Health.ConnectBackoff = TimeSpan.FromSeconds(40);
        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();
        Assert.Equal(2, failures.Count);
        Assert.Contains("Mesh:Defaults:Health:MaxEjection is 00:00:20, shorter than BaseEjection 00:00:30", failures[0], StringComparison.Ordinal);
        Assert.Contains("Mesh:Defaults:Health:MaxConnectBackoff is 00:00:32, shorter than ConnectBackoff 00:00:40", failures[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_Off_IsAllowed()
    {
        var options = new MeshOptions();
        options.Defaults.Health = new MeshHealthOptions
        {
            ConsecutiveFailures = 0,
            SuccessRate = 0,
            OutlierDeviation = 0,
            FailurePercentage = 0,
            MaxEjectionPercent = 0,
            PanicPercent = 0,
            ConnectBackoff = TimeSpan.Zero,
            Probe = new MeshProbeOptions { Path = "/?a=b" },
        };
        Assert.True(new MeshOptionsValidator().Validate(null, options).Succeeded);
    }

    [Fact]
    public void For_OwnThenCommonThenDefault_FirstWins()
    {
        var options = new MeshOptions();
        options.Defaults.Health = new MeshHealthOptions
        {
            PanicPercent = 20,
            MaxEjectionPercent = 30,
            Probe = new MeshProbeOptions { Kind = ProbeKind.Tcp, Interval = TimeSpan.FromSeconds(3) },
        };
        options.Destinations["orders"] = new MeshDestinationOptions
        {
            Health = new MeshHealthOptions { PanicPercent = 0, Probe = new MeshProbeOptions { Kind = ProbeKind.Grpc } },
        };
        var settings = DestinationSettings.For(options, "orders").Health;
        Assert.Equal((0, 30, MeshDefaults.ConsecutiveFailures), (settings.PanicPercent, settings.MaxEjectionPercent, settings.ConsecutiveFailures));
        Assert.Equal(
            (ProbeKind.Grpc, TimeSpan.FromSeconds(3), MeshDefaults.ProbeTimeout, "/healthz"),
            (settings.Probe.Kind, settings.Probe.Interval, settings.Probe.Timeout, settings.Probe.Path));
        Assert.Equal(ProbeKind.Off, DestinationSettings.For(new MeshOptions(), "orders").Health.Probe.Kind);
    }
}
