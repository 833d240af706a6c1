using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.FunctionalTests;

/// <summary>Real apps in the mesh of one control plane, and the operator's hand on it.</summary>
internal sealed class MeshHosts : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(45);
    private readonly List<IAsyncDisposable> _hosts = [];
    private readonly List<(string Source, string Destination)> _intentions = [];
    private readonly HttpClient _operator;

    public MeshHosts(Uri controlPlane)
    {
        ControlPlane = controlPlane;
        _operator = new HttpClient { BaseAddress = controlPlane };
        // One control plane serves all tests of a class: names of our own keep them apart.
        Orders = $"orders-{Guid.NewGuid():N}"[..15];
        Web = $"web-{Guid.NewGuid():N}"[..12];
    }

    public Uri ControlPlane { get; }

    public string Orders { get; }

    public string Web { get; }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Starts an instance of orders that answers with its number and its caller.</summary>
    public async Task<WebApplication> StartOrdersAsync(
        int number, string defaultAction = "Deny", Action<WebApplicationBuilder>? build = null, Action<WebApplication>? map = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = Orders,
            ["Mesh:ControlPlane:Address"] = ControlPlane.ToString(),
            ["Mesh:Inbound:Address"] = "127.0.0.1:0",
            ["Mesh:Inbound:DefaultAction"] = defaultAction,
        });
        builder.Services.AddMeshInbound();
        build?.Invoke(builder);
        var app = builder.Build();
        app.MapGet("/", (HttpContext context) => $"{number} {context.Features.Get<IMeshPeerFeature>()?.Id}");
        app.MapGet("/issuer", (HttpContext context) => context.Connection.ClientCertificate?.Issuer);
        app.MapGet("/connection", (HttpContext context) => context.Connection.Id);
        app.MapGet("/stream", async (HttpContext context) =>
        {
            while (true)
            {
                await context.Response.Body.WriteAsync("."u8.ToArray(), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, context.RequestAborted);
            }
        });
        app.MapGet("/protocol", (HttpContext context) => context.Request.Protocol);
        map?.Invoke(app);
        _hosts.Add(app);
        await app.StartAsync(Cancellation);
        return app;
    }

    /// <summary>Starts web, which only calls.</summary>
    public async Task<HttpClient> StartWebAsync(params IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = Web,
            ["Mesh:ControlPlane:Address"] = ControlPlane.ToString(),
            ["Mesh:RotationSpread"] = "00:00:00.200",
            // A handshake takes longer than by default while other tests use the processors.
            ["Mesh:Defaults:ConnectTimeout"] = "00:00:10",
        });
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Services.AddMeshClient();
        builder.Services.AddHttpClient("orders", client => client.BaseAddress = new Uri($"https://{Orders}"));
        var host = builder.Build();
        _hosts.Add((IAsyncDisposable)host);
        await host.StartAsync(Cancellation);
        return host.Services.GetRequiredService<IHttpClientFactory>().CreateClient("orders");
    }

    public async Task SetIntentionAsync(string source, string destination, string action)
    {
        _intentions.Add((source, destination));
        var intention = new JsonObject
        {
            ["SourceType"] = "consul",
            ["SourceName"] = source,
            ["DestinationName"] = destination,
            ["Action"] = action,
        };
        var id = await FindIntentionAsync(source, destination);
        using var response = id is null
            ? await _operator.PostAsJsonAsync("/v1/connect/intentions", intention, Cancellation)
            : await _operator.PutAsJsonAsync($"/v1/connect/intentions/{id}", intention, Cancellation);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    public Task WaitForHealthyAsync(int count) => WaitUntilAsync(async () =>
        (await _operator.GetFromJsonAsync<JsonArray>($"/v1/health/service/{Orders}?passing", Cancellation))!.Count == count);

    public async Task<int> CountListedAsync() =>
        (await _operator.GetFromJsonAsync<JsonArray>($"/v1/health/service/{Orders}", Cancellation))!.Count;

    /// <summary>The mesh port of the one instance there is.</summary>
    public async Task<int> FindOrdersPortAsync() =>
        (int)(await _operator.GetFromJsonAsync<JsonArray>($"/v1/health/service/{Orders}", Cancellation))!.Single()!["Service"]!["Port"]!;

    public static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, Cancellation);
        while (!await condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, both.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Enumerable.Reverse(_hosts))
        {
            await host.DisposeAsync();
        }

        try
        {
            foreach (var (source, destination) in _intentions)
            {
                if (await FindIntentionAsync(source, destination) is { } id)
                {
                    using var response = await _operator.DeleteAsync(new Uri($"/v1/connect/intentions/{id}", UriKind.Relative));
                }
            }
        }
        catch (HttpRequestException)
        {
            // That the control plane is gone may be what the test was about.
        }

        _operator.Dispose();
    }

    private async Task<string?> FindIntentionAsync(string source, string destination) =>
        (string?)(await _operator.GetFromJsonAsync<JsonArray>("/v1/connect/intentions", CancellationToken.None) ?? [])
            .FirstOrDefault(one => (string?)one!["SourceName"] == source && (string?)one["DestinationName"] == destination)?["ID"];
}
