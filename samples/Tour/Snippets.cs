using MeshClient.AspNetCore.Denials;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Dialing;
using MeshClient.OpenTelemetry;
using MeshClient.Outbound;
using MeshClient.Resilience;
using Microsoft.AspNetCore.Connections;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Tour;

/// <summary>The README's shorter examples.</summary>
internal static class Snippets
{
    public static void OneClient(IServiceCollection services)
    {
        // README: one client
        services.AddHttpClient("orders").AddMeshHandler();
        // README: end
    }

    public static void HandMade(IServiceProvider provider)
    {
        // README: hand-made client
        var mesh = provider.GetRequiredService<MeshHandlerFactory>();
        var client = new HttpClient(mesh.Create());
        // README: end
        client.Dispose();
    }

    public static void Idempotent(Uri uri, HttpContent body)
    {
        // README: idempotent
        var request = new HttpRequestMessage(HttpMethod.Post, uri) { Content = body };
        request.Options.Set(MeshRequestOptions.Idempotent, true);
        // README: end
        request.Dispose();
    }

    public static void OwnPicker(IServiceCollection services)
    {
        // README: own picker
        services.AddKeyedSingleton<IInstancePicker, FewestInFlight>("orders");
        // README: end
    }

    public static async Task DialAsync(IMeshDialer dialer, ReadOnlyMemory<byte> question, CancellationToken cancellationToken)
    {
        // README: dial
        await using var connection = await dialer.ConnectAsync("telegraph", cancellationToken);
        await connection.WriteAsync(question, cancellationToken);
        await connection.CloseWriteAsync(cancellationToken);
        // README: end
    }

    public static void RawListener(WebApplicationBuilder builder)
    {
        // README: raw listener
        builder.Services.AddMeshInbound();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(7000, listener =>
            listener.UseMesh().UseConnectionHandler<Telegraph>()));
        // README: end
    }

    public static void Forwarder(IServiceCollection services)
    {
        // README: forwarder
        services.AddMeshForwarder("postgres", "127.0.0.1:5432");
        // README: end
    }

    public static void Expose(IServiceCollection services)
    {
        // README: expose
        services.AddMeshExpose("127.0.0.1:5432");
        // README: end
    }

    public static void Health(WebApplication app)
    {
        // README: without mesh
        app.MapGet("/healthz", () => "ok").AllowWithoutMesh();
        // README: end
    }

    public static void OwnRule(WebApplication app)
    {
        // README: own rule
        app.MapGet("/reports", () => "reports").RequireMeshPeer("web", "ops");
        // README: end
    }

    public static void IdempotentEndpoint(WebApplication app)
    {
        // README: idempotent endpoint
        app.MapPost("/orders/{id:int}/cancel", (int id) => $"{id} is cancelled").AsIdempotent();
        // README: end
    }

    public static void Forward(HttpRequestMessage request)
    {
        // README: forward
        request.Options.Set(MeshRequestOptions.Forward, new MeshForwardOptions { Token = true });
        // README: end
    }

    public static void Denials(IServiceCollection services)
    {
        // README: denials
        services.AddSingleton<IMeshDenialObserver, Alarm>();
        // README: end
    }

    public static void Telemetry(MeterProviderBuilder meters, TracerProviderBuilder tracers)
    {
        // README: telemetry
        meters.AddMeshClientInstrumentation();
        tracers.AddMeshClientInstrumentation();
        // README: end
    }
}
