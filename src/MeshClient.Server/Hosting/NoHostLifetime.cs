using Microsoft.Extensions.Hosting;

namespace MeshClient.Server.Hosting;

/// <summary>The lifetime of an inner host: it begins and ends when its owner says so, and by nothing else.</summary>
internal sealed class NoHostLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
