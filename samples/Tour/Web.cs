namespace Tour;

internal static class Web
{
    public static async Task<int> RunAsync(string[] args)
    {
        // README: web
        var builder = WebApplication.CreateBuilder(args);
        builder.Services.AddMeshClient();
        builder.Configuration["Mesh:Service"] = "web";
        builder.Configuration["Mesh:ControlPlane:Address"] = "http://127.0.0.1:8500";

        var app = builder.Build();
        app.MapGet("/", async (IHttpClientFactory clients) =>
        {
            using var answer = await clients.CreateClient().GetAsync("https://orders/orders/1");
            return Results.Text(await answer.Content.ReadAsStringAsync(), statusCode: (int)answer.StatusCode);
        });
        await app.RunAsync("http://127.0.0.1:5000");
        // README: end
        return 0;
    }
}
