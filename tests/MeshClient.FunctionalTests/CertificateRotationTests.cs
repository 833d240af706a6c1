using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.FunctionalTests;

/// <summary>
/// Certificates that live a few seconds, roots replaced by others with another kind of key, and keys of another kind at each end,
/// while calls of every form go on. Real processes' parts on a real registry; the keys never leave their apps.
/// </summary>
public sealed class CertificateRotationTests
{
    private static readonly TimeSpan LeafLifetime = TimeSpan.FromSeconds(3);
    private static readonly (string Type, int Bits)[] Roots = [("rsa", 2048), ("ec", 384), ("ec", 256)];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 120_000)]
    public async Task Calls_LeavesAndRootsReplacedAtBothEnds_NoneFails()
    {
        await using var server = new MeshServer(new MeshServerOptions
        {
            ListenAddress = new Uri("http://127.0.0.1:0"),
            LeafCertificateLifetime = LeafLifetime,
            DefaultIntentionPolicy = DefaultIntentionPolicy.Allow,
        });
        await server.StartAsync(Cancellation);
        var callers = new ConcurrentDictionary<string, string>();
        await using var one = await StartOrdersAsync(server.Address!, "EcdsaP256", callers);
        await using var two = await StartOrdersAsync(server.Address!, "Rsa2048", callers);
        using var web = StartWeb(server.Address!);
        await web.StartAsync(Cancellation);
        var client = web.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        using var invoker = new HttpMessageInvoker(web.Services.GetRequiredService<MeshHandlerFactory>().Create());
        using var raw = new HttpClient { BaseAddress = server.Address };
        var isOver = false;
        bool GoesOn() => !Volatile.Read(ref isOver);
        var made = new int[6];
        var ended = new TaskCompletionSource();
        Task[] load =
        [
            Task.Run(() => RepeatAsync(made, 0, GoesOn, () => CallAsync(client, HttpMethod.Get, HttpVersion.Version20)), Cancellation),
            Task.Run(() => RepeatAsync(made, 1, GoesOn, () => CallAsync(client, HttpMethod.Post, HttpVersion.Version20)), Cancellation),
            Task.Run(() => RepeatAsync(made, 2, GoesOn, () => CallAsync(client, HttpMethod.Get, HttpVersion.Version11)), Cancellation),
            Task.Run(() => RepeatAsync(made, 3, GoesOn, () => CallAsync(client, HttpMethod.Post, HttpVersion.Version11)), Cancellation),
            Task.Run(() => StreamAsync(client, made, 4, GoesOn), Cancellation),
            Task.Run(() => TalkAsync(invoker, made, 5, GoesOn), Cancellation),
        ];
        foreach (var failed in load)
        {
            _ = failed.ContinueWith(_ => ended.TrySetResult(), TaskScheduler.Default);
        }

        // Each root, by name and kind of key, has to be seen to vouch for a caller before the next one comes.
        foreach (var (type, bits) in Roots.Prepend(("", 0)))
        {
            if (bits > 0)
            {
                using var response = await raw.PutAsJsonAsync(
                    "/v1/connect/ca/configuration",
                    new JsonObject { ["Provider"] = "consul", ["Config"] = new JsonObject { ["PrivateKeyType"] = type, ["PrivateKeyBits"] = bits } },
                    Cancellation);
                response.EnsureSuccessStatusCode();
            }

            var active = (string?)(await raw.GetFromJsonAsync<JsonObject>("/v1/connect/ca/roots", Cancellation))!["Roots"]!.AsArray()
                .Single(root => (bool)root!["Active"]!)!["RootCert"];
            using var root = X509Certificate2.CreateFromPem(active);
            var before = made.ToArray();
            var renewals = callers.Count;
            await MeshHosts.WaitUntilAsync(() => Task.FromResult(ended.Task.IsCompleted
                || (callers.Values.Contains(root.Subject) && callers.Count >= renewals + 2 && made.Zip(before).All(pair => pair.First > pair.Second + 5))));
            Assert.False(ended.Task.IsCompleted, string.Join('\n', load.Select(task => task.Exception?.ToString() ?? task.Status.ToString())));
        }

        Volatile.Write(ref isOver, true);
        await Task.WhenAll(load);
        Assert.InRange(callers.Count, 8, int.MaxValue);
        Assert.Equal(4, callers.Values.Distinct().Count());
    }

    private static async Task<WebApplication> StartOrdersAsync(Uri controlPlane, string keyType, ConcurrentDictionary<string, string> callers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = "orders",
            ["Mesh:ControlPlane:Address"] = controlPlane.ToString(),
            ["Mesh:Identity:SigningRequests"] = "Always",
            ["Mesh:Identity:KeyType"] = keyType,
            ["Mesh:RotationSpread"] = "00:00:00.300",
            ["Mesh:Inbound:Address"] = "127.0.0.1:0",
        });
        builder.Services.AddMeshInbound();
        var app = builder.Build();
        app.UseWebSockets();
        app.MapMethods("/", ["GET", "POST"], async (HttpContext context) =>
        {
            if (context.Connection.ClientCertificate is { } caller)
            {
                callers.TryAdd(caller.SerialNumber, caller.Issuer);
            }

            await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
            await context.Response.WriteAsync("x");
        });
        app.MapGet("/stream", async (HttpContext context) =>
        {
            for (byte i = 0; !context.RequestAborted.IsCancellationRequested; i++)
            {
                await context.Response.Body.WriteAsync(new[] { i }, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, context.RequestAborted);
            }
        });
        app.Map("/talk", async (HttpContext context) =>
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[16];
            while (await socket.ReceiveAsync(buffer, context.RequestAborted) is { MessageType: not WebSocketMessageType.Close } message)
            {
                await socket.SendAsync(buffer.AsMemory(0, message.Count), WebSocketMessageType.Binary, true, context.RequestAborted);
            }
        });
        await app.StartAsync(Cancellation);
        return app;
    }

    private static IHost StartWeb(Uri controlPlane)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = "web",
            ["Mesh:ControlPlane:Address"] = controlPlane.ToString(),
            ["Mesh:Identity:SigningRequests"] = "Always",
            ["Mesh:Identity:KeyType"] = "EcdsaP384",
            ["Mesh:RotationSpread"] = "00:00:00.300",
            ["Mesh:Defaults:ConnectTimeout"] = "00:00:10",
        });
        builder.Services.AddMeshClient();
        return builder.Build();
    }

    private static async Task RepeatAsync(int[] made, int index, Func<bool> goesOn, Func<Task> call)
    {
        while (goesOn())
        {
            await call();
            Interlocked.Increment(ref made[index]);
        }
    }

    // POST is never repeated by itself once it may have been executed, so a connection closed under it would show.
    private static async Task CallAsync(HttpClient client, HttpMethod method, Version version)
    {
        using var request = new HttpRequestMessage(method, "https://orders/")
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = method == HttpMethod.Post ? new StringContent("x") : null,
        };
        using var response = await client.SendAsync(request, Cancellation);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("x", await response.Content.ReadAsStringAsync(Cancellation));
    }

    private static async Task StreamAsync(HttpClient client, int[] made, int index, Func<bool> goesOn)
    {
        while (goesOn())
        {
            await StreamOnceAsync(client, made, index, WhileGood(goesOn));
        }
    }

    private static async Task TalkAsync(HttpMessageInvoker invoker, int[] made, int index, Func<bool> goesOn)
    {
        while (goesOn())
        {
            await TalkOnceAsync(invoker, made, index, WhileGood(goesOn));
        }
    }

    // Through a rotation or two, but not for longer than the grace a connection has after its certificates have ended.
    private static Func<bool> WhileGood(Func<bool> goesOn)
    {
        var since = TimeProvider.System.GetTimestamp();
        return () => goesOn() && TimeProvider.System.GetElapsedTime(since) < MeshDefaults.ExpiryGrace / 2;
    }

    private static async Task StreamOnceAsync(HttpClient client, int[] made, int index, Func<bool> goesOn)
    {
        using var response = await client.GetAsync("https://orders/stream", HttpCompletionOption.ResponseHeadersRead, Cancellation);
        await using var body = await response.Content.ReadAsStreamAsync(Cancellation);
        var buffer = new byte[1];
        for (byte i = 0; goesOn(); i++)
        {
            await body.ReadExactlyAsync(buffer, Cancellation);
            Assert.Equal(i, buffer[0]);
            Interlocked.Increment(ref made[index]);
        }
    }

    private static async Task TalkOnceAsync(HttpMessageInvoker invoker, int[] made, int index, Func<bool> goesOn)
    {
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri("wss://orders/talk"), invoker, Cancellation);
        var buffer = new byte[16];
        for (byte i = 0; goesOn(); i++)
        {
            await socket.SendAsync(new[] { i }, WebSocketMessageType.Binary, true, Cancellation);
            Assert.Equal(1, (await socket.ReceiveAsync(buffer, Cancellation)).Count);
            Assert.Equal(i, buffer[0]);
            Interlocked.Increment(ref made[index]);
        }
    }
}
