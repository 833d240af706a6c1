using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>
/// A service as it is in a Consul mesh without us: a plain program and <c>consul connect proxy</c> beside it, registered by
/// <c>consul services register</c>. What it calls it reaches at a port of its proxy.
/// </summary>
internal sealed class Sidecar : IAsyncDisposable
{
    private readonly PlainService _service;
    private ProxyProcess? _proxy;

    private Sidecar(PlainService service, string name)
    {
        _service = service;
        Name = name;
        (PublicPort, UpstreamPort) = (FreePorts.Find(2) is [var first, var second]) ? (first, second) : default;
    }

    public string Name { get; }

    /// <summary>Where its proxy takes mutual TLS.</summary>
    public int PublicPort { get; }

    /// <summary>Where its proxy takes what goes to the upstream, in plaintext.</summary>
    public int UpstreamPort { get; }

    /// <summary>Starts all of it and waits until the registry lists it as healthy.</summary>
    /// <param name="controlPlane">Where the registry is.</param>
    /// <param name="upstream">The service it calls.</param>
    /// <param name="protocol">What the program speaks.</param>
    public static async Task<Sidecar> StartAsync(Uri controlPlane, string upstream, HttpProtocols protocol = HttpProtocols.Http1)
    {
        var cli = new ConsulCli(controlPlane);
        var sidecar = new Sidecar(await PlainService.StartAsync(protocol), $"legacy-{Guid.NewGuid():N}"[..15]);
        try
        {
            await sidecar.RegisterAsync(cli, upstream);
            sidecar._proxy = await ProxyProcess.StartAsync(cli, sidecar.PublicPort, $"-sidecar-for={sidecar.Name}");
            using var http = new HttpClient { BaseAddress = controlPlane };
            await MeshHosts.WaitUntilAsync(async () =>
                (await http.GetFromJsonAsync<JsonArray>($"/v1/health/connect/{sidecar.Name}?passing", MeshHosts.Cancellation))!.Count == 1);
            return sidecar;
        }
        catch
        {
            await sidecar.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client that goes to the upstream through the proxy, as the program would.</summary>
    public HttpClient UpstreamClient() => new() { BaseAddress = new Uri($"http://127.0.0.1:{UpstreamPort}"), Timeout = TimeSpan.FromSeconds(20) };

    public async ValueTask DisposeAsync()
    {
        if (_proxy is not null)
        {
            await _proxy.DisposeAsync();
        }

        await _service.DisposeAsync();
    }

    private async Task RegisterAsync(ConsulCli cli, string upstream)
    {
        var definition = string.Create(CultureInfo.InvariantCulture, $$"""
            {
              "service": {
                "name": "{{Name}}", "address": "127.0.0.1", "port": {{_service.Port}},
                "connect": {
                  "sidecar_service": {
                    "address": "127.0.0.1", "port": {{PublicPort}},
                    "checks": [ { "tcp": "127.0.0.1:{{PublicPort}}", "interval": "1s" } ],
                    "proxy": { "upstreams": [ { "destination_name": "{{upstream}}", "local_bind_port": {{UpstreamPort}} } ] }
                  }
                }
              }
            }
            """);
        var file = Path.Combine(Path.GetTempPath(), $"{Name}.json");
        try
        {
            await File.WriteAllTextAsync(file, definition, MeshHosts.Cancellation);
            await cli.SucceedAsync("services", "register", file);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
