using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Configuration;

namespace MeshClient.Tests.Discovery;

public sealed class ConfigurationInstanceSourceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Key below the service, value; the endpoints as <c>name|host|port|t or p</c>.</summary>
    [Theory]
    [InlineData("", "http://h:1", "|h|1|p")]
    [InlineData("", "https://h:1", "|h|1|t")]
    [InlineData("", "h:1", "|h|1|t |h|1|p")]
    [InlineData(":0", "http://h:1", "|h|1|p")]
    [InlineData(":http", "h:1", "|h|1|p")]
    [InlineData(":http:0", "h:1", "|h|1|p")]
    [InlineData(":https:0", "h:1", "|h|1|t")]
    [InlineData(":HTTPS:0", "h:1", "|h|1|t")]
    [InlineData(":https:0", "https://h", "|h|443|t")]
    [InlineData(":http:0", "http://h", "|h|80|p")]
    [InlineData(":https:0", "https://localhost:7001", "|localhost|7001|t")]
    [InlineData(":default:0", "http://h:1", "|h|1|p")]
    [InlineData(":admin:0", "https://h:1", "admin|h|1|t")]
    [InlineData(":admin", "h:1", "admin|h|1|t admin|h|1|p")]
    [InlineData(":0", "http://[::1]:5", "|::1|5|p")]
    [InlineData(":0", "[::1]:5", "|::1|5|t |::1|5|p")]
    [InlineData(":0", " http://h:1 ", "|h|1|p")]
    [InlineData(":0", "", "")]
    [InlineData(":0", "  ", "")]
    public async Task ReadInstancesAsync_EveryForm_IsRead(string key, string value, string expected)
    {
        using var source = new ConfigurationInstanceSource(Build(($"Services:orders{key}", value)));
        var read = await source.ReadInstancesAsync(TestInstances.Service, 0, Token);
        Assert.NotEqual(0UL, read.Index);
        var endpoints = read.Value.Instances.SelectMany(instance => instance.Endpoints)
            .Select(endpoint => $"{endpoint.Name}|{endpoint.Host}|{endpoint.Port}|{(endpoint.Security == InstanceSecurity.Tls ? "t" : "p")}");
        Assert.Equal(expected, string.Join(' ', endpoints));
        Assert.All(read.Value.Instances, instance => Assert.True(instance.PlaintextAllowed));
    }

    [Theory]
    [InlineData("ftp://h:1")]
    [InlineData("https+http://h:1")]
    [InlineData("http://")]
    [InlineData("h:notaport")]
    [InlineData("http://h:99999")]
    [InlineData("not an address")]
    public async Task ReadInstancesAsync_BadValue_NamesTheKeyAndTheValue(string value)
    {
        using var source = new ConfigurationInstanceSource(Build(("Services:orders:https:0", value)));
        var failure = await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadInstancesAsync(TestInstances.Service, 0, Token));
        Assert.Equal(ControlPlaneFailure.Malformed, failure.Failure);
        Assert.Contains("Services:orders:https:0", failure.Message, StringComparison.Ordinal);
        Assert.Contains(value, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadInstancesAsync_NeitherSchemeNorPort_IsNoAddress()
    {
        using var source = new ConfigurationInstanceSource(Build(("Services:orders:0", "h")));
        var failure = await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadInstancesAsync(TestInstances.Service, 0, Token));
        Assert.Contains("has no port", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadInstancesAsync_SeveralAddresses_AreInstancesWithIdsOfTheirOwn()
    {
        using var source = new ConfigurationInstanceSource(Build(
            ("Services:orders:http:0", "http://a:1"), ("Services:orders:http:1", "http://b:1"), ("Services:other:0", "http://c:1")));
        var read = await source.ReadInstancesAsync(TestInstances.Service, 0, Token);
        Assert.Equal(["Services:orders:http:0", "Services:orders:http:1"], read.Value.Instances.Select(instance => instance.Id.Value));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadInstancesAsync_WithIndex_WaitsForAReload()
    {
        var configuration = Build(("Services:orders:0", "http://a:1"));
        using var source = new ConfigurationInstanceSource(configuration);
        var first = await source.ReadInstancesAsync(TestInstances.Service, 0, Token);
        var second = source.ReadInstancesAsync(TestInstances.Service, first.Index, Token);
        Assert.False(second.IsCompleted);
        configuration["Services:orders:0"] = "http://b:2";
        Assert.False(second.IsCompleted);
        configuration.Reload();
        var read = await second.BoundedAsync();
        Assert.Equal("b", read.Value.Instances[0].Endpoints[0].Host);
        Assert.NotEqual(first.Index, read.Index);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadInstancesAsync_Cancelled_EndsTheWait()
    {
        using var source = new ConfigurationInstanceSource(Build());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var first = await source.ReadInstancesAsync(TestInstances.Service, 0, Token);
        Assert.Empty(first.Value.Instances);
        var wait = source.ReadInstancesAsync(TestInstances.Service, first.Index, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(wait.BoundedAsync);
    }

    [Fact]
    public void Knows_Service_OfTheSectionOnlyAndWhateverTheCase()
    {
        using var source = new ConfigurationInstanceSource(Build(("Services:Orders:0", "http://a:1")));
        Assert.True(source.Knows(TestInstances.Service));
        Assert.False(source.Knows(Core.Naming.ServiceName.Parse("payments")));
    }

    private static IConfigurationRoot Build(params (string Key, string Value)[] values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.Select(pair => KeyValuePair.Create<string, string?>(pair.Key, pair.Value))).Build();
}
