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
            "Mesh:Defaults:ConnectTimeout ", "Mesh:Defaults:MaxConcurrency ", "Mesh:Defaults:MaxRetries ", "Mesh:Defaults:RetryBudgetRatio ",
            "Mesh:Defaults:RetryBudgetPerSecond ", "Mesh:Destinations:bad name ", "Mesh:Destinations:bad name:AttemptTimeout ",
        ];
        Assert.Equal(keys.Length, failures.Count);
        Assert.All(keys, key => Assert.Single(failures, failure => failure.StartsWith(key, StringComparison.Ordinal)));
        Assert.Contains("181", failures.Single(failure => failure.Contains("MaxParkedQueries", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("180", failures.Single(failure => failure.Contains("MaxParkedQueries", StringComparison.Ordinal)), StringComparison.Ordinal);
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
        Assert.Equal(4, failures.Count);
        foreach (var key in (string[])["Servcie", "ControlPlane:Adress", "Defaults:Timeout", "Destinations:orders:MaxRetires"])
        {
            Assert.Single(failures, failure => failure.Contains($"{key} is not a known setting", StringComparison.OrdinalIgnoreCase));
        }

        Assert.Contains(failures, failure => failure.Contains("MaxRetries", StringComparison.Ordinal));
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
    public void AddMeshClient_WithoutConfiguration_Works()
    {
        using var provider = new ServiceCollection().AddMeshClient(mesh => mesh.Service = "web").BuildServiceProvider();
        Assert.Equal("web", provider.GetRequiredService<IOptions<MeshOptions>>().Value.Service);
        Assert.NotEmpty(provider.GetRequiredService<MeshHandlerFactory>().Stages);
    }

    private static IConfigurationRoot Build(params (string Key, string Value)[] values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.Select(pair => KeyValuePair.Create<string, string?>(pair.Key, pair.Value))).Build();

    private static MeshOptions Options((string Key, string Value)[] values, Action<MeshOptions>? configure = null)
    {
        using var provider = new ServiceCollection().AddSingleton<IConfiguration>(Build(values)).AddMeshClient(configure).BuildServiceProvider();
        return provider.GetRequiredService<IOptions<MeshOptions>>().Value;
    }
}
