using MeshClient.Server;

namespace MeshClient.Tool.Tests;

/// <summary>A MeshClient.Server on a free port of 127.0.0.1, for one test class.</summary>
public sealed class RunningMeshServer : IAsyncLifetime
{
    private readonly MeshServer _server = new(new MeshServerOptions
    {
        ListenAddress = new Uri("http://127.0.0.1:0"),

        // As a Consul without access control, which the contract is run against too.
        DefaultIntentionPolicy = DefaultIntentionPolicy.Allow,
    });

    public Uri Address => _server.Address;

    public async ValueTask InitializeAsync() => await _server.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();
}
