using System.Net;
using MeshClient.AspNetCore.Peers;

namespace Quickstart.Services;

/// <summary>The middle one: has orders charged by payments.</summary>
internal static class OrdersService
{
    public static async Task RunAsync(string[] args)
    {
        var builder = ServiceHost.CreateBuilder("orders", args);
        builder.Services.AddHttpClient("payments", client => client.BaseAddress = new Uri("https://payments"));
        var app = builder.Build();
        app.MapGet("/orders/{id:int}", async (int id, HttpContext context, IHttpClientFactory clients) =>
        {
            using var response = await clients.CreateClient("payments").GetAsync(
                new Uri($"/charge/{id}", UriKind.Relative), context.RequestAborted);
            if (response.StatusCode == HttpStatusCode.Forbidden)
            {
                return Results.StatusCode((int)HttpStatusCode.Forbidden);
            }

            response.EnsureSuccessStatusCode();
            var charge = await response.Content.ReadFromJsonAsync<Charge>(context.RequestAborted);
            return Results.Ok(new Order(
                id, Environment.ProcessId, context.Features.Get<IMeshPeerFeature>()?.Id.ToString(), charge));
        });
        await app.RunAsync();
    }
}

/// <summary>The answer of orders.</summary>
/// <param name="Id">The order.</param>
/// <param name="Process">Which process answered.</param>
/// <param name="Peer">Who asked, as proved by its certificate.</param>
/// <param name="Charge">What payments said.</param>
internal sealed record Order(int Id, int Process, string? Peer, Charge? Charge);
