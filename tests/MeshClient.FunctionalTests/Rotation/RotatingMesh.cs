using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using MeshClient.Core.ControlPlane;
using MeshClient.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.FunctionalTests.Rotation;

/// <summary>A registry, two instances of orders, and callers that come and go, all of whose certificates are renewed all the time.</summary>
internal sealed class RotatingMesh : IAsyncDisposable
{
    public const string Orders = "orders";

    /// <summary>What takes raw connections.</summary>
    public const string RawOrders = $"_{Raw}.{Orders}";
    private const string Web = "web";
    private const string Raw = "raw";
    private const int Instances = 2;

    /// <summary>How far apart the lines of a stream are.</summary>
    public static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(50);

    private static readonly (string Type, int Bits)[] RootKeys = [("rsa", 2048), ("ec", 384), ("ec", 256)];
    private readonly MeshServer _server;
    private readonly HttpClient _operator;
    private readonly List<WebApplication> _orders = [];
    private readonly List<SigningLeafSource> _sources = [];
    private readonly List<SigningLeafSource> _members = [];
    private readonly TimeSpan _leafInterval;
    private int _rotations;

    private RotatingMesh(MeshServer server, TimeSpan leafInterval)
    {
        _server = server;
        _leafInterval = leafInterval;
        _operator = new HttpClient { BaseAddress = server.Address };
    }

    /// <summary>Certificates issued.</summary>
    public int Leaves => _sources.Sum(source => source.Issued);

    /// <summary>Certificates issued that somebody still holds.</summary>
    public int LeavesAlive => _sources.Sum(source => source.Alive);

    /// <summary>Starts all but the caller.</summary>
    /// <param name="leafInterval">How often each member gets a new certificate.</param>
    /// <param name="leafLifetime">How long a certificate lives; a root goes two of them after it was replaced.</param>
    public static async Task<RotatingMesh> StartAsync(TimeSpan leafInterval, TimeSpan leafLifetime)
    {
        var server = new MeshServer(new MeshServerOptions
        {
            ListenAddress = new Uri("http://127.0.0.1:0"),
            LeafCertificateLifetime = leafLifetime,
            RotationSpread = TimeSpan.Zero,
            DefaultIntentionPolicy = DefaultIntentionPolicy.Allow,
        });
        await server.StartAsync(MeshHosts.Cancellation);
        var mesh = new RotatingMesh(server, leafInterval);
        try
        {
            for (var i = 0; i < Instances; i++)
            {
                await mesh.StartOrdersAsync();
            }

            await MeshHosts.WaitUntilAsync(async () =>
                (await mesh._operator.GetFromJsonAsync<JsonArray>($"/v1/health/connect/{Orders}?passing", MeshHosts.Cancellation))!.Count == Instances);
            return mesh;
        }
        catch
        {
            await mesh.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the caller, in place of the last one; to be disposed by whoever uses it.</summary>
    public async Task<IHost> StartWebAsync()
    {
        _members.RemoveRange(Instances, _members.Count - Instances);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(Settings(Web));
        builder.Services.AddSingleton<ILeafCertificateSource>(NewSource());
        builder.Services.AddMeshClient();
        var host = builder.Build();
        await host.StartAsync(MeshHosts.Cancellation);
        return host;
    }

    /// <summary>Has another root sign, of another kind of key each time, and waits until every member has a certificate of it.</summary>
    public async Task RotateRootAsync()
    {
        var (type, bits) = RootKeys[_rotations++ % RootKeys.Length];
        var configuration = new JsonObject
        {
            ["Provider"] = "consul",
            ["Config"] = new JsonObject { ["PrivateKeyType"] = type, ["PrivateKeyBits"] = bits },
        };
        using var response = await _operator.PutAsJsonAsync("/v1/connect/ca/configuration", configuration, MeshHosts.Cancellation);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(MeshHosts.Cancellation));
        var roots = await RootsAsync();
        using var active = X509Certificate2.CreateFromPem((string)roots.Single(root => (bool)root!["Active"]!)!["RootCert"]!);
        await MeshHosts.WaitUntilAsync(() => Task.FromResult(_members.TrueForAll(source => source.Issuer == active.Subject)));
    }

    /// <summary>How many roots are trusted.</summary>
    public async Task<int> CountRootsAsync() => (await RootsAsync()).Count;

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _orders)
        {
            await one.DisposeAsync();
        }

        _operator.Dispose();
        await _server.DisposeAsync();
    }

    private async Task<JsonArray> RootsAsync() =>
        (await _operator.GetFromJsonAsync<JsonNode>("/v1/agent/connect/ca/roots", MeshHosts.Cancellation))!["Roots"]!.AsArray();

    private async Task StartOrdersAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(Settings(Orders));
        builder.Configuration.AddInMemoryCollection(
            [KeyValuePair.Create<string, string?>("Mesh:Inbound:Address", "127.0.0.1:0")]);
        builder.Services.AddSingleton<ILeafCertificateSource>(NewSource());
        builder.Services.AddMeshInbound();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listener => listener.UseMesh(Raw).UseConnectionHandler<EchoHandler>()));
        var app = builder.Build();
        app.UseWebSockets();
        app.MapPost("/echo", (HttpContext context) => context.Request.Body.CopyToAsync(context.Response.Body, context.RequestAborted));
        app.MapGet("/stream/{lines:int}", StreamAsync);
        app.Map("/socket", EchoMessagesAsync);
        _orders.Add(app);
        await app.StartAsync(MeshHosts.Cancellation);
    }

    private SigningLeafSource NewSource()
    {
        var source = new SigningLeafSource(_operator, _leafInterval);
        _sources.Add(source);
        _members.Add(source);
        return source;
    }

    private Dictionary<string, string?> Settings(string service) => new()
    {
        ["Mesh:Service"] = service,
        ["Mesh:ControlPlane:Address"] = _server.Address!.ToString(),
        ["Mesh:RotationSpread"] = (_leafInterval / 2).ToString(),
        // A handshake takes longer than by default while a run uses the processors, and none that is given up is allowed for.
        ["Mesh:Defaults:ConnectTimeout"] = "00:00:10",
    };

    private static async Task StreamAsync(HttpContext context, int lines)
    {
        for (var i = 0; i < lines; i++)
        {
            await context.Response.WriteAsync($"{i}\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(Beat, TimeProvider.System, context.RequestAborted);
        }
    }

    private static async Task EchoMessagesAsync(HttpContext context)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[256];
        while (await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted) is { MessageType: not WebSocketMessageType.Close } message)
        {
            await socket.SendAsync(buffer.AsMemory(0, message.Count), message.MessageType, message.EndOfMessage, context.RequestAborted);
        }

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
    }

    private sealed class EchoHandler : ConnectionHandler
    {
        public override Task OnConnectedAsync(ConnectionContext connection) =>
            connection.Transport.Input.CopyToAsync(connection.Transport.Output, connection.ConnectionClosed);
    }
}
