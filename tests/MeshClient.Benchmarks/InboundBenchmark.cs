using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks;

/// <summary>What the inbound stages add to a request that is served at once, in time and in bytes, with no server under it.</summary>
internal static class InboundBenchmark
{
    private const int Permissions = 10;

    private static readonly Endpoint Open = new(null, EndpointMetadataCollection.Empty, "open");
    private static readonly Endpoint Guarded = new(null, new EndpointMetadataCollection(new MeshAllowAttribute("web")), "guarded");

    public static async Task<int> RunAsync()
    {
        Print.Machine();
        using var plane = new InMemoryControlPlane();
        plane.SetIntentions(
            BenchmarkMesh.Orders,
            IntentionAction.Deny,
            new Intention { Id = "l4", Source = "web", Destination = "orders", Action = IntentionAction.Allow },
            new Intention { Id = "l7", Source = "ops", Destination = "orders", Permissions = [.. Enumerable.Range(0, Permissions).Select(Permission)] });
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Mesh:Service"] = BenchmarkMesh.Orders.Value });
        builder.WebHost.UseKestrel();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IIntentionSource>(plane);
        builder.Services.AddSingleton<ITrustBundleSource>(plane);
        builder.Services.AddSingleton<ILeafCertificateSource>(plane);
        builder.Services.AddMeshInbound();
        await using var app = builder.Build();
        var intentions = app.Services.GetRequiredService<InboundIntentions>();
        intentions.Start();
        await intentions.WaitAsync(CancellationToken.None);
        var guard = app.Services.GetRequiredService<EndpointGuard>();

        Print.Rows("A request that is served at once", Measurement.Compare(
            Request("the app alone", ServeAsync(Open), null),
            Request("behind the stages, intention about the caller", Behind(app.Services, Open), OriginOf("web", plane, guard)),
            Request($"behind the stages, the last of {Permissions} permissions", Behind(app.Services, Open), OriginOf("ops", plane, guard)),
            Request("behind the stages, endpoint with a rule", Behind(app.Services, Guarded), OriginOf("web", plane, guard))));
        return 0;
    }

    private static IntentionPermission Permission(int i) => new()
    {
        Action = IntentionAction.Allow,
        PathPrefix = i == Permissions - 1 ? "/orders" : $"/other-{i}",
        Methods = ["GET"],
    };

    private static RequestDelegate Behind(IServiceProvider services, Endpoint endpoint)
    {
        var app = new ApplicationBuilder(services);
        services.GetRequiredService<InboundPipeline>().AddTo(app);
        app.Run(ServeAsync(endpoint));
        return app.Build();
    }

    // What routing does at the end of its work, and nothing else.
    private static RequestDelegate ServeAsync(Endpoint endpoint) => context =>
    {
        context.SetEndpoint(endpoint);
        return Task.CompletedTask;
    };

    private static RequestOrigin OriginOf(string service, InMemoryControlPlane plane, EndpointGuard guard)
    {
        var id = plane.Authority.IdOf(ServiceName.Parse(service));
        return id.TryGetService(out var named)
            ? new RequestOrigin(new MeshPeer(id, named, DateTimeOffset.MaxValue), guard)
            : throw new InvalidOperationException("It names no service.");
    }

    private static Variant Request(string name, RequestDelegate app, RequestOrigin? origin)
    {
        var request = new HttpRequestFeature { Method = "GET", Path = "/orders/1" };
        var response = new HttpResponseFeature();
        return new Variant(name, () =>
        {
            var features = new FeatureCollection();
            features.Set<IHttpRequestFeature>(request);
            features.Set<IHttpResponseFeature>(response);
            if (origin is not null)
            {
                features.Set(origin);
            }

            var served = app(new DefaultHttpContext(features));
            if (!served.IsCompletedSuccessfully)
            {
                throw new InvalidOperationException("The request was not served at once.");
            }
        });
    }
}
