using System.Net.Http;

namespace Quickstart.Services;

/// <summary>What all services of the sample have in common: the two lines that put them in the mesh, and their way to end.</summary>
internal static class ServiceHost
{
    public static WebApplicationBuilder CreateBuilder(string service, string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Configuration["Mesh:Service"] = service;
        builder.Logging.ClearProviders().AddProvider(new ReportLoggerProvider());

        builder.Services.AddMeshClient();
        builder.Services.AddMeshInbound();
        return builder;
    }

    public static async Task<int> RunAsync(WebApplication app)
    {
        // When the story-teller is gone, for whatever reason, its end of our standard input is closed: nothing is left behind.
        var lifetime = app.Services.GetRequiredService<IHostApplicationLifetime>();
        _ = Task.Run(async () =>
        {
            var input = new byte[16];
            await using var stream = Console.OpenStandardInput();
            while (await stream.ReadAsync(input) > 0)
            {
            }

            lifetime.StopApplication();
        });
        await app.RunAsync();
        return 0;
    }
}
