using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

public sealed class InboundPipelineTests
{
    [Fact]
    public async Task Stages_OfBuiltPipeline_AreInTheOrderOfTheArchitecture()
    {
        await using var host = InboundTestHost.Create();

        var stages = host.Services.GetRequiredService<InboundPipeline>().Stages;

        Assert.Equal(["Tls", "Lingering", "Running", "Coalescing", "Telemetry", "PeerIdentity", "Deadline", "Intentions", "Overload", "Forwarding"], stages.Select(stage => stage.Name));
        Assert.Equal([true, true, true, true, false, false, false, false, false, false], stages.Select(stage => stage.OnListener is not null));
    }

    [Fact]
    public async Task Enforcement_AmongOtherStartupFilters_ComesFirst()
    {
        var reached = new List<string>();
        await using var host = await InboundTestHost.StartAsync(
            build: builder =>
            {
                builder.Services.AddSingleton<IStartupFilter>(new Filter("after", reached));
                // A filter of another package that was there before the mesh was added.
                builder.Services.AddMeshInbound();
            },
            map: app =>
            {
                app.Use(next => context =>
                {
                    reached.Add("app");
                    return next(context);
                });
                app.MapGet("/hello", () => "hello");
            });
        using var client = host.CallerFrom("web");

        using var response = await client.GetAsync("/hello", TestContext.Current.CancellationToken);

        Assert.Equal(403, (int)response.StatusCode);
        Assert.Empty(reached);
    }

    [Fact]
    public void AddMeshInbound_Twice_AddsEverythingOnce()
    {
        var services = new ServiceCollection();
        services.AddSingleton<IStartupFilter>(new Filter("before", []));
        services.AddMeshInbound();
        var count = services.Count;

        services.AddMeshInbound();

        Assert.Equal(count, services.Count);
        Assert.Equal(typeof(InboundStartupFilter), services.First(one => one.ServiceType == typeof(IStartupFilter)).ImplementationType);
    }

    private sealed class Filter(string name, List<string> reached) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use(inner => context =>
            {
                reached.Add(name);
                return inner(context);
            });
            next(app);
        };
    }
}
