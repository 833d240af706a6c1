namespace Quickstart.Services;

/// <summary>What all services of the sample have in common: the two lines that put them in the mesh, and their way to end.</summary>
internal static class ServiceHost
{
    public static WebApplicationBuilder CreateBuilder(string service, string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Configuration["Mesh:Service"] = service;
        builder.Logging.ClearProviders().AddProvider(new ReportLoggerProvider());
        builder.Services.AddSingleton<IHostLifetime, StoryTellerLifetime>();

        builder.Services.AddMeshClient();
        builder.Services.AddMeshInbound();
        return builder;
    }
}
