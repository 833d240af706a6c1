using MeshClient.AspNetCore.Peers;

namespace Quickstart.Services;

/// <summary>The last of the three: charges, and says who asked.</summary>
internal static class PaymentsService
{
    public static async Task RunAsync(string[] args)
    {
        var app = ServiceHost.CreateBuilder("payments", args).Build();
        app.MapGet("/charge/{id:int}", (int id, HttpContext context) => new Charge(
            id, Environment.ProcessId, context.Features.Get<IMeshPeerFeature>()?.Id.ToString()));
        await app.RunAsync();
    }
}

/// <summary>The answer of payments.</summary>
/// <param name="Id">The order.</param>
/// <param name="Process">Which process answered.</param>
/// <param name="Peer">Who asked, as proved by its certificate.</param>
internal sealed record Charge(int Id, int Process, string? Peer);
