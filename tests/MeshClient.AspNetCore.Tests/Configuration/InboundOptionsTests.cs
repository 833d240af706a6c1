using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Configuration;
using MeshClient.Core.Intentions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Configuration;

public sealed class InboundOptionsTests
{
    [Fact]
    public async Task Start_WithManyMistakes_ReportsThemAllAtOnce()
    {
        var error = await Assert.ThrowsAnyAsync<Exception>(() => InboundTestHost.StartAsync(settings: new Dictionary<string, string?>
        {
            ["Mesh:Service"] = "no service",
            ["Mesh:Inbound:Address"] = "nowhere",
            ["Mesh:Inbound:HandshakeTimeout"] = "00:00:00",
            ["Mesh:Inbound:StartTimeout"] = "1.00:00:00",
            ["Mesh:Inbound:ExemptEndpoints:0"] = " ",
            ["Mesh:Inbound:Adress"] = "127.0.0.1:0",
            ["Mesh:Registration:Address"] = "no host",
            ["Mesh:Registration:Port"] = "70000",
            ["Mesh:Registration:Weight"] = "0",
            ["Mesh:Registration:TimeToLive"] = "00:00:00.5",
            ["Mesh:Registration:DeregisterAfter"] = "00:00:10",
            ["Mesh:Registration:Tag"] = "x",
            ["Mesh:Registration:InstanceId"] = "a\nb",
        }));

        var text = string.Join('\n', AllMessages(error));
        foreach (var key in new[]
        {
            "Mesh:Service is 'no service'", "Mesh:Inbound:Address is 'nowhere'", "Mesh:Inbound:HandshakeTimeout is 00:00:00", "Mesh:Inbound:StartTimeout is",
            "Mesh:Inbound:ExemptEndpoints:0", "Mesh:Inbound:Adress is not a known setting", "Mesh:Registration:Address is",
            "Mesh:Registration:Port is 70000", "Mesh:Registration:Weight is 0", "Mesh:Registration:TimeToLive is",
            "Mesh:Registration:DeregisterAfter is", "Mesh:Registration:Tag is not a known setting", "Mesh:Registration:InstanceId has 3",
        })
        {
            Assert.Contains(key, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Options_FromConfigurationAndCode_CodeWins()
    {
        await using var host = InboundTestHost.Create(
            inbound: options => options.HandshakeTimeout = TimeSpan.FromSeconds(3),
            settings: new Dictionary<string, string?>
            {
                ["Mesh:Inbound:HandshakeTimeout"] = "00:00:04",
                ["Mesh:Inbound:StartTimeout"] = "00:00:05",
                ["Mesh:Inbound:DefaultAction"] = "Allow",
                ["Mesh:Inbound:ExemptEndpoints:0"] = "healthz",
                ["Mesh:Registration:Tags:0"] = "v1",
                ["Mesh:Registration:Meta:version"] = "7",
            });

        var inbound = host.Services.GetRequiredService<IOptions<MeshInboundOptions>>().Value;
        var registration = host.Services.GetRequiredService<IOptions<MeshRegistrationOptions>>().Value;

        Assert.Equal(TimeSpan.FromSeconds(3), inbound.HandshakeTimeout);
        Assert.Equal(TimeSpan.FromSeconds(5), inbound.StartTimeout);
        Assert.Equal(IntentionAction.Allow, inbound.DefaultAction);
        Assert.Equal(["healthz"], inbound.ExemptEndpoints);
        Assert.Equal(["v1"], registration.Tags);
        Assert.Equal("7", registration.Meta["version"]);
    }

    [Theory]
    [InlineData("127.0.0.1:0", "127.0.0.1", 0)]
    [InlineData("localhost:8443", "127.0.0.1", 8443)]
    [InlineData("[::1]:8443", "::1", 8443)]
    [InlineData("0.0.0.0:1", "0.0.0.0", 1)]
    [InlineData("*:0", null, 0)]
    [InlineData("[::]:65535", null, 65535)]
    public void TryParse_Address_IsRead(string text, string? address, int port)
    {
        Assert.True(ListenAddress.TryParse(text, out var parsed));
        Assert.Equal((address, port), (parsed.Address?.ToString(), parsed.Port));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("8443")]
    [InlineData("*")]
    [InlineData("*:")]
    [InlineData("*:65536")]
    [InlineData("*:-1")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:x")]
    [InlineData("orders:8443")]
    [InlineData("https://127.0.0.1:8443")]
    public void TryParse_NoAddress_IsRefused(string? text) => Assert.False(ListenAddress.TryParse(text, out _));

    private static IEnumerable<string> AllMessages(Exception error) => error is AggregateException aggregate
        ? aggregate.InnerExceptions.SelectMany(AllMessages)
        : [error.Message];
}
