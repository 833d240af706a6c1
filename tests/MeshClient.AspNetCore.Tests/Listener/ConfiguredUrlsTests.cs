using System.Net;
using MeshClient.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Listener;

public sealed class ConfiguredUrlsTests
{
    [Fact]
    public async Task Start_WithUrlsInConfiguration_ListensOnThemAndOnTheMesh()
    {
        await using var host = await InboundTestHost.StartAsync(
            map: MapHealth, build: builder => builder.WebHost.UseUrls("http://127.0.0.1:0;http://[::1]:0"));

        Assert.Equal(2, host.PlainAddresses.Count);
        Assert.Equal(3, host.App.Urls.Count);
        foreach (var address in host.PlainAddresses)
        {
            await AssertHealthyAsync(address);
        }

        Assert.DoesNotContain(host.Logs.Lines, line => line.Category.Contains("Kestrel", StringComparison.Ordinal) && line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Start_WithUrlsOfTheApp_ListensOnThemAndOnTheMesh()
    {
        await using var host = await InboundTestHost.StartAsync(map: app =>
        {
            app.Urls.Add("http://127.0.0.1:0");
            MapHealth(app);
        });

        await AssertHealthyAsync(Assert.Single(host.PlainAddresses));
    }

    [Fact]
    public async Task Start_WithPortsInConfiguration_ListensOnThemAndOnTheMesh()
    {
        await using var host = await InboundTestHost.StartAsync(
            map: MapHealth, settings: new Dictionary<string, string?> { ["http_ports"] = "0" });

        await AssertHealthyAsync(Assert.Single(host.PlainAddresses));
    }

    [Fact]
    public async Task Start_WithoutUrls_ListensOnTheMeshOnly()
    {
        await using var host = await InboundTestHost.StartAsync();

        Assert.Equal($"https://127.0.0.1:{host.MeshPort}", Assert.Single(host.App.Urls));
    }

    [Fact]
    public async Task Start_WithListenersOfTheAppAndUrls_LeavesThePrecedenceToKestrel()
    {
        await using var host = await InboundTestHost.StartAsync(map: MapHealth, build: builder =>
        {
            builder.WebHost.UseUrls("http://127.0.0.1:0", "http://127.0.0.1:0");
            builder.Services.Configure<KestrelServerOptions>(options => options.Listen(IPAddress.Loopback, 0));
        });

        await AssertHealthyAsync(Assert.Single(host.PlainAddresses));
        Assert.Contains(host.Logs.Lines, line => line.Text.StartsWith("Overriding address(es)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_WithListenersInConfigurationAndUrls_LeavesThePrecedenceToKestrel()
    {
        await using var host = await InboundTestHost.StartAsync(
            map: MapHealth,
            settings: new Dictionary<string, string?> { ["Kestrel:Endpoints:Plain:Url"] = "http://127.0.0.1:0" },
            build: builder =>
            {
                builder.WebHost.UseUrls("http://127.0.0.1:0", "http://127.0.0.1:0");
                builder.Services.Configure<KestrelServerOptions>(options => options.Configure(builder.Configuration.GetSection("Kestrel")));
            });

        await AssertHealthyAsync(Assert.Single(host.PlainAddresses));
    }

    [Fact]
    public async Task Start_PreferringUrlsOverListenersOfTheApp_SaysThatTheMeshListenerWouldBeLost()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => InboundTestHost.StartAsync(build: builder =>
        {
            builder.WebHost.UseUrls("http://127.0.0.1:0").PreferHostingUrls(true);
            builder.Services.Configure<KestrelServerOptions>(options => options.Listen(IPAddress.Loopback, 0));
        }));

        Assert.Contains("preferHostingUrls", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_PreferringUrlsWithoutListenersOfTheApp_KeepsTheMeshListener()
    {
        await using var host = await InboundTestHost.StartAsync(
            map: MapHealth, build: builder => builder.WebHost.UseUrls("http://127.0.0.1:0").PreferHostingUrls(true));

        await AssertHealthyAsync(Assert.Single(host.PlainAddresses));
        Assert.True(host.MeshPort > 0);
    }

    private static void MapHealth(WebApplication app) => app.MapGet("/healthz", () => "well").AllowWithoutMesh();

    private static async Task AssertHealthyAsync(Uri address)
    {
        using var client = new HttpClient();
        Assert.Equal("well", await client.GetStringAsync(new Uri(address, "/healthz"), TestContext.Current.CancellationToken));
    }
}
