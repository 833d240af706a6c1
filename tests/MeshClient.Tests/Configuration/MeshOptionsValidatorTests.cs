using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Outbound;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace MeshClient.Tests.Configuration;

public sealed class MeshOptionsValidatorTests
{
    [Fact]
    public void Validate_Defaults_AreGood() => Assert.True(new MeshOptionsValidator().Validate(null, new MeshOptions()).Succeeded);

    [Fact]
    public void Validate_EverythingWrong_IsReportedAtOnceWithKeyValueAndRange()
    {
        var options = new MeshOptions
        {
            Service = "no name!",
            ControlPlane = { Address = "ftp://nowhere", MaxParkedQueries = 181 },
            OutboundTraffic = (OutboundTrafficPolicy)9,
            WatchIdleTimeout = TimeSpan.FromMilliseconds(1),
            DiscoveryTimeout = TimeSpan.FromHours(1),
            RotationSpread = TimeSpan.FromSeconds(-1),
            Defaults =
            {
                CallTimeout = TimeSpan.FromDays(2),
                AttemptTimeout = TimeSpan.FromTicks(1),
                ConnectTimeout = TimeSpan.Zero,
                FallbackTimeout = TimeSpan.FromTicks(1),
                MaxConcurrency = 0,
                MaxRetries = 11,
                RetryBudgetRatio = double.NaN,
                RetryBudgetPerSecond = -1,
            },
        };
        options.Destinations["bad name"] = new() { CallTimeout = TimeSpan.FromSeconds(1), AttemptTimeout = TimeSpan.FromSeconds(2) };
        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();
        string[] keys =
        [
            "Mesh:Service ", "Mesh:ControlPlane:Address ", "Mesh:ControlPlane:MaxParkedQueries ", "Mesh:OutboundTraffic ", "Mesh:WatchIdleTimeout ",
            "Mesh:DiscoveryTimeout ", "Mesh:RotationSpread ", "Mesh:Defaults:CallTimeout ", "Mesh:Defaults:AttemptTimeout ",
            "Mesh:Defaults:ConnectTimeout ", "Mesh:Defaults:FallbackTimeout ", "Mesh:Defaults:MaxConcurrency ", "Mesh:Defaults:MaxRetries ", "Mesh:Defaults:RetryBudgetRatio ",
            "Mesh:Defaults:RetryBudgetPerSecond ", "Mesh:Destinations:bad name ", "Mesh:Destinations:bad name:AttemptTimeout ",
        ];
        Assert.Equal(keys.Length, failures.Count);
        Assert.All(keys, key => Assert.Single(failures, failure => failure.StartsWith(key, StringComparison.Ordinal)));
        Assert.Contains("181", failures.Single(failure => failure.Contains("MaxParkedQueries", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("180", failures.Single(failure => failure.Contains("MaxParkedQueries", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_BalancingOutOfRange_IsReportedWithKeyAndRange()
    {
        var options = new MeshOptions();
        options.Destinations["orders"] = new()
        {
            Balancing =
            {
                Policy = (BalancingPolicy)99,
                HashKey = "body",
                BoundedLoad = 1,
                RingPoints = 0,
                Aperture = 1,
                Zone = (ZonePreference)9,
                SlowStart = TimeSpan.FromMilliseconds(1),
                SlowStartMinimum = 0,
                SlowStartAggression = 11,
                ReportBlackout = TimeSpan.FromDays(1),
            },
        };
        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();
        string[] keys =
        [
            "Policy", "HashKey", "BoundedLoad", "RingPoints", "Aperture", "Zone", "SlowStart", "SlowStartMinimum", "SlowStartAggression",
            "ReportBlackout",
        ];
        Assert.Equal(keys.Length, failures.Count);
        Assert.All(keys, key => Assert.Single(
            failures, failure => failure.StartsWith($"Mesh:Destinations:orders:Balancing:{key} ", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(null, 0, ZonePreference.Off, "HashKey is not set")]
    [InlineData("path", 20, ZonePreference.Off, "Aperture 20")]
    [InlineData("path", 0, ZonePreference.Fair, "Zone Fair")]
    [InlineData("path", 0, ZonePreference.Off, null)]
    public void Validate_HashPolicy_NeedsAKeyAndAllInstances(string? key, int aperture, ZonePreference zone, string? expected)
    {
        var options = new MeshOptions
        {
            Defaults = { Balancing = { Policy = BalancingPolicy.Maglev, HashKey = key, Aperture = aperture, Zone = zone } },
        };
        options.Destinations["orders"] = new();
        var result = new MeshOptionsValidator().Validate(null, options);
        Assert.Equal(expected is null, result.Succeeded);
        // Once, not again for the service that takes it over.
        Assert.True(expected is null || Assert.Single(result.Failures!).Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void For_OwnBalancing_WinsOverDefaultsOneByOne()
    {
        var options = new MeshOptions
        {
            Defaults = { Balancing = { Policy = BalancingPolicy.RoundRobin, SlowStart = TimeSpan.FromSeconds(7) } },
        };
        options.Destinations["orders"] = new() { Balancing = { Policy = BalancingPolicy.LeastRequest } };
        var balancing = DestinationSettings.For(options, "orders").Balancing;
        Assert.Equal(
            (BalancingPolicy.LeastRequest, TimeSpan.FromSeconds(7), MeshDefaults.RingPoints),
            (balancing.Policy, balancing.SlowStart, balancing.RingPoints));
    }

    [Fact]
    public void Validate_UnknownKeysAtEveryDepth_AreAllReported()
    {
        var configuration = Build(
            ("Mesh:Servcie", "web"),
            ("Mesh:ControlPlane:Adress", "x"),
            ("Mesh:Defaults:Timeout", "1"),
            ("Mesh:Destinations:orders:MaxRetires", "1"),
            ("Mesh:Destinations:orders:MaxRetries", "1"),
            ("Mesh:Inbound:Whatever", "1"),
            ("Mesh:Registration:Whatever", "1"),
            ("mesh:service", "web"));
        var failures = new MeshOptionsValidator(configuration).Validate(null, new MeshOptions()).Failures!.ToList();
        Assert.Equal(6, failures.Count);
        foreach (var key in (string[])["Inbound", "Registration", "Servcie", "ControlPlane:Adress", "Defaults:Timeout", "Destinations:orders:MaxRetires"])
        {
            Assert.Single(failures, failure => failure.Contains($"{key} is not a known setting", StringComparison.OrdinalIgnoreCase));
        }

        Assert.Contains(failures, failure => failure.Contains("MaxRetries", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("http://127.0.0.1:8500")]
    [InlineData("ftp://nowhere")]
    public void Validate_TokenAndDatacenterThatCannotBeSent_AreRefusedAndTheTokenIsNotShown(string? address)
    {
        var options = new MeshOptions { ControlPlane = { Address = address, Token = "hush\nhush", Datacenter = "dc 1" } };
        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();
        Assert.Single(failures, failure => failure.StartsWith("Mesh:ControlPlane:Token ", StringComparison.Ordinal));
        Assert.Single(failures, failure => failure.StartsWith("Mesh:ControlPlane:Datacenter is 'dc 1'", StringComparison.Ordinal));
        Assert.Equal(address is "ftp://nowhere" ? 3 : 2, failures.Count);
        Assert.DoesNotContain("hush", string.Concat(failures), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, null, 20, true)]
    [InlineData(null, null, 20, 20, false)]
    [InlineData(null, null, 3, null, false)]
    [InlineData(4, null, null, 6, true)]
    [InlineData(4, null, 30, 6, false)]
    [InlineData(3, null, null, null, false)]
    [InlineData(3, 4, 5, null, true)]
    [InlineData(null, null, 0, 60, false)]
    public void Validate_AttemptTimeoutSetInAnEntry_IsComparedWithTheCallTimeoutInForce(
        int? commonCall, int? commonAttempt, int? call, int? attempt, bool isRefused)
    {
        static TimeSpan? Seconds(int? count) => count is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        var options = new MeshOptions { Defaults = { CallTimeout = Seconds(commonCall), AttemptTimeout = Seconds(commonAttempt) } };
        options.Destinations["orders"] = new() { CallTimeout = Seconds(call), AttemptTimeout = Seconds(attempt) };
        var result = new MeshOptionsValidator().Validate(null, options);
        Assert.Equal(isRefused, result.Failed);
        Assert.All(result.Failures ?? [], failure => Assert.Contains("AttemptTimeout is", failure, StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_SectionOfAPackageAbove_IsLeftToItAndOnlyThat()
    {
        var configuration = Build(("Mesh:Inbound:Whatever", "1"), ("Mesh:Registration:Whatever", "1"));
        var failures = new MeshOptionsValidator(configuration, [MeshSubsection.Of("Mesh:Inbound")]).Validate(null, new MeshOptions()).Failures!;
        Assert.StartsWith("Mesh:Registration is not a known setting", Assert.Single(failures), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_FromConfigurationAndCode_CodeWins()
    {
        var options = Options(
            [("Mesh:Service", "web"), ("Mesh:DiscoveryTimeout", "00:00:03"), ("Mesh:Defaults:MaxRetries", "4"), ("Mesh:Destinations:Orders:MaxRetries", "1")],
            mesh => mesh.DiscoveryTimeout = TimeSpan.FromSeconds(9));
        Assert.Equal(("web", TimeSpan.FromSeconds(9)), (options.Service, options.DiscoveryTimeout));
        Assert.Equal(4, DestinationSettings.For(options, "payments").MaxRetries);
        Assert.Equal(1, DestinationSettings.For(options, "orders").MaxRetries);
        Assert.Equal(MeshDefaults.CallTimeout, DestinationSettings.For(options, "orders").CallTimeout);
    }

    [Fact]
    public async Task StartAsync_BadOptions_StopTheHostWithAllOfThem()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection([new("Mesh:Unknown", "1"), new("Mesh:Service", "no name!"), new("Mesh:Defaults:MaxRetries", "99")]);
        builder.Services.AddMeshClient();
        using var host = builder.Build();
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.Equal(3, failure.Failures.Count());
    }

    [Fact]
    public void Options_BadValueInAnEntry_IsRefusedAndNothingElseOfTheEntryIsLost()
    {
        // The binder drops the whole entry for one bad value: with it went the entry's refusal of plaintext.
        var configuration = Build(
            ("Mesh:Defaults:AllowPlaintext", "true"),
            ("Mesh:Destinations:payments:AllowPlaintext", "false"),
            ("Mesh:Destinations:payments:MaxRetries", "two"));
        var options = new MeshOptions();
        new SectionBinder<MeshOptions>(configuration, MeshOptions.SectionName).Configure(options);
        Assert.False(DestinationSettings.For(options, "payments").AllowPlaintext);
        var failure = Assert.Throws<OptionsValidationException>(() => Resolve(configuration));
        Assert.Equal(["Mesh:Destinations:payments:MaxRetries is 'two'; it has to be a whole number."], failure.Failures);
    }

    [Fact]
    public void Options_BadValuesOfEveryKind_AreReportedTogetherWithAllOtherErrors()
    {
        var failure = Assert.Throws<OptionsValidationException>(() => Resolve(Build(
            ("Mesh:WatchIdleTimeout", "abc"),
            ("Mesh:DiscoveryTimeout", ""),
            ("Mesh:OutboundTraffic", "Some"),
            ("Mesh:Defaults", "all"),
            ("Mesh:Defaults:RetryBudgetRatio", "0,2x"),
            ("Mesh:Defaults:AllowPlaintext", "yes"),
            ("Mesh:Defaults:MaxConcurrency", "99999999999"),
            ("Mesh:Destinations:orders:CallTimeout", "5s"),
            ("Mesh:Destinations:orders:MaxRetries:0", "1"),
            ("Mesh:Destinations:carts", "off"),
            ("Mesh:ControlPlane:MaxParkedQueries", "many"),
            ("Mesh:Unknown", "1"),
            ("Mesh:Service", "no name!"),
            ("Mesh:Defaults:MaxRetries", "99"))));
        string[] starts =
        [
            "Mesh:WatchIdleTimeout is 'abc'; it has to be a time", "Mesh:DiscoveryTimeout is ''; it has to be a time",
            "Mesh:OutboundTraffic is 'Some'; it has to be one of AllowAny, MeshOnly", "Mesh:Defaults has a value;",
            "Mesh:Defaults:RetryBudgetRatio is '0,2x'; it has to be a number", "Mesh:Defaults:AllowPlaintext is 'yes'; it has to be true or false",
            "Mesh:Defaults:MaxConcurrency is '99999999999'; it has to be a whole number", "Mesh:Destinations:orders:CallTimeout is '5s'; it has to be a time",
            "Mesh:Destinations:orders:MaxRetries:0 is not a known setting", "Mesh:Destinations:carts has a value;",
            "Mesh:ControlPlane:MaxParkedQueries is 'many'; it has to be a whole number", "Mesh:Unknown is not a known setting",
            "Mesh:Service is 'no name!'", "Mesh:Defaults:MaxRetries is 99;",
        ];
        Assert.All(starts, start => Assert.Single(failure.Failures, one => one.StartsWith(start, StringComparison.Ordinal)));
        Assert.Equal(starts.Length, failure.Failures.Count());
    }

    [Fact]
    public void Options_EmptyEntriesAndValues_AreGood()
    {
        var options = Options([("Mesh:Destinations:orders.example", ""), ("Mesh:Defaults:MaxRetries", ""), ("Mesh:ControlPlane", "")]);
        Assert.Equal(["orders.example"], options.Destinations.Keys);
        Assert.Null(options.Defaults.MaxRetries);
    }

    [Fact]
    public void AddMeshClient_WithoutConfiguration_Works()
    {
        using var provider = new ServiceCollection().AddMeshClient(mesh => mesh.Service = "web").BuildServiceProvider();
        Assert.Equal("web", provider.GetRequiredService<IOptions<MeshOptions>>().Value.Service);
        Assert.NotEmpty(provider.GetRequiredService<MeshHandlerFactory>().Stages);
    }

    private static IConfigurationRoot Build(params (string Key, string Value)[] values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.Select(pair => KeyValuePair.Create<string, string?>(pair.Key, pair.Value))).Build();

    private static MeshOptions Options((string Key, string Value)[] values, Action<MeshOptions>? configure = null) => Resolve(Build(values), configure);

    private static MeshOptions Resolve(IConfiguration configuration, Action<MeshOptions>? configure = null)
    {
        using var provider = new ServiceCollection().AddSingleton(configuration).AddMeshClient(configure).BuildServiceProvider();
        return provider.GetRequiredService<IOptions<MeshOptions>>().Value;
    }
}
