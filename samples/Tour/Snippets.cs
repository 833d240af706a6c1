using MeshClient.AspNetCore.Denials;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.OpenTelemetry;
using MeshClient.Outbound;
using MeshClient.Resilience;
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
