namespace Tour;

internal static class Registry
{
    public static async Task<int> RunAsync(string[] args)
    {
        // README: registry
        var builder = Host.CreateApplicationBuilder(args);
        builder.Services.AddMeshServer(server => server.ListenAddress = new Uri("http://127.0.0.1:8500"));
        await builder.Build().RunAsync();
        // README: end
        return 0;
    }
}
