using MeshClient.AspNetCore.Peers;

namespace Tour;

internal static class Orders
{
    public static async Task<int> RunAsync(string[] args)
    {
        // README: orders
        var builder = WebApplication.CreateBuilder(args);
        builder.Services.AddMeshInbound();
        builder.Configuration["Mesh:Service"] = "orders";
        builder.Configuration["Mesh:ControlPlane:Address"] = "http://127.0.0.1:8500";

        var app = builder.Build();
        app.MapGet("/orders/{id}", (int id, HttpContext context) =>
            $"order {id}, asked for by {context.Features.Get<IMeshPeerFeature>()?.Service}");
        await app.RunAsync();
        // README: end
        return 0;
    }
}
