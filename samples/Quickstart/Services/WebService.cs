namespace Quickstart.Services;

/// <summary>The first of the three: calls orders at a steady rate and reports how it fares.</summary>
internal static class WebService
{
    public static async Task RunAsync(string[] args)
    {
        var builder = ServiceHost.CreateBuilder("web", args);
        builder.Services.AddHttpClient<OrdersClient>(client => client.BaseAddress = new Uri("https://orders"));
        builder.Services.AddHostedService<SteadyLoad>();
        await builder.Build().RunAsync();
    }
}

/// <summary>A typed client: it only knows a service's name.</summary>
internal sealed class OrdersClient(HttpClient http)
{
    public Task<HttpResponseMessage> GetAsync(int id, CancellationToken cancellationToken) =>
        http.GetAsync(new Uri($"/orders/{id}", UriKind.Relative), cancellationToken);
}
