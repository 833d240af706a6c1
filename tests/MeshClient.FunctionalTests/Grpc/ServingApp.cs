using System.Collections.Concurrent;
using System.Text;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Resilience;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>
/// An app, the service <c>orders</c>, with <c>AddMeshInbound()</c> and endpoints that speak gRPC by hand, and a gRPC client
/// that calls it, the service <c>web</c>.
/// </summary>
internal sealed class ServingApp : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly PeerFolder _folder;
    private readonly TaskCompletionSource _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PeerProcess? _client;

    private ServingApp()
    {
        _folder = new PeerFolder(ControlPlane.Authority, "web");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = "orders",
            ["Mesh:Inbound:Address"] = "127.0.0.1:0",
            ["Mesh:Registration:DrainDelay"] = "00:00:00",
        });
        builder.Services.AddSingleton<IInstanceSource>(ControlPlane);
        builder.Services.AddSingleton<IIntentionSource>(ControlPlane);
        builder.Services.AddSingleton<ITrustBundleSource>(ControlPlane);
        builder.Services.AddSingleton<ILeafCertificateSource>(ControlPlane);
        builder.Services.AddSingleton<IServiceRegistrar>(ControlPlane);
        builder.Services.AddMeshInbound();
        _app = builder.Build();
        _app.MapPost("/pkg.Service/Unary", context => ServeAsync(context, UnaryAsync));
        _app.MapPost("/pkg.Service/PingPong", context => ServeAsync(context, PingPongAsync));
        _app.MapPost("/pkg.Service/AnswerAndHang", context => ServeAsync(context, AnswerAndHangAsync));
    }

    public InMemoryControlPlane ControlPlane { get; } = new();

    public PeerProcess Client => _client!;

    /// <summary>The paths of the calls that came as far as the app.</summary>
    public ConcurrentQueue<string> Calls { get; } = [];

    /// <summary>Ends when the app has noticed that the caller of a call gave it up.</summary>
    public Task Aborted => _aborted.Task.Bounded();

    /// <summary>Starts the app and the client.</summary>
    /// <param name="runtime">Of what make the client is.</param>
    /// <param name="intend">Sets the intentions the app starts with; null: none.</param>
    /// <param name="withCertificate">Whether the client shows its certificate.</param>
    public static async Task<ServingApp> StartAsync(
        PeerRuntime runtime, Action<InMemoryControlPlane>? intend = null, bool withCertificate = true)
    {
        var app = new ServingApp();
        intend?.Invoke(app.ControlPlane);
        try
        {
            // First, because it may skip the test.
            var program = runtime.Program("client");
            await app._app.StartAsync(Waiting.Cancellation).Bounded();
            await app.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 1, cancellationToken: Waiting.Cancellation);
            // And waits to hear of changes.
            await app.ControlPlane.WaitForAsync(plane => plane.IntentionReads(ServiceName.Parse("orders")) >= 2, cancellationToken: Waiting.Cancellation);
            var endpoint = Assert.Single(Assert.Single(app.ControlPlane.Registrations).Endpoints);
            foreach (var argument in (string[])[
                $"{endpoint.Port}",
                app._folder.Path,
                app.ControlPlane.Authority.IdOf(ServiceName.Parse("orders")).ToString(),
                withCertificate ? "with" : "without"])
            {
                program.ArgumentList.Add(argument);
            }

            app._client = PeerProcess.Start(program);
            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>Changes intentions; done when the app goes by them.</summary>
    public async Task ChangeAsync(Action<InMemoryControlPlane> change)
    {
        var orders = ServiceName.Parse("orders");
        var reads = ControlPlane.IntentionReads(orders);
        change(ControlPlane);
        // The app asks for what comes next when it has taken over what is.
        await ControlPlane.WaitForAsync(plane => plane.IntentionReads(orders) > reads, cancellationToken: Waiting.Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        await _app.DisposeAsync();
        ControlPlane.Dispose();
        _folder.Dispose();
    }

    private async Task ServeAsync(HttpContext context, Func<HttpContext, Task> serveAsync)
    {
        Calls.Enqueue(context.Request.Path);
        context.Features.GetRequiredFeature<IHttpMinRequestBodyDataRateFeature>().MinDataRate = null;
        context.Response.ContentType = "application/grpc";
        try
        {
            await serveAsync(context);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Reading, writing and waiting end so when the caller has given up.
            _aborted.TrySetResult();
            return;
        }

        context.Response.AppendTrailer("grpc-status", "0");
        context.Response.AppendTrailer(
            "time-left", (MeshDeadline.Current?.Remaining.TotalMilliseconds ?? 0).ToString(System.Globalization.CultureInfo.InvariantCulture));
        context.Response.AppendTrailer("caller", context.Features.GetRequiredFeature<IMeshPeerFeature>().Id.ToString());
    }

    private static async Task UnaryAsync(HttpContext context)
    {
        var message = await GrpcFrame.ReadAsync(context.Request.Body, context.RequestAborted);
        Assert.Null(await GrpcFrame.ReadAsync(context.Request.Body, context.RequestAborted));
        await GrpcFrame.WriteAsync(context.Response.Body, message, context.RequestAborted);
    }

    // Does not read on: a client that gives up may end its messages in good order just before.
    private static async Task AnswerAndHangAsync(HttpContext context)
    {
        var message = await GrpcFrame.ReadAsync(context.Request.Body, context.RequestAborted);
        await GrpcFrame.WriteAsync(context.Response.Body, message, context.RequestAborted);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
    }

    private static async Task PingPongAsync(HttpContext context)
    {
        while (await GrpcFrame.ReadAsync(context.Request.Body, context.RequestAborted) is { } message)
        {
            byte[] answer = [.. Encoding.UTF8.GetBytes("pong "), .. message];
            await GrpcFrame.WriteAsync(context.Response.Body, answer, context.RequestAborted);
        }
    }
}
