using MeshClient.Server;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Fakes;

/// <summary>A MeshClient.Server that demands tokens, for one test class.</summary>
public sealed class GuardedMeshServer : IAsyncLifetime
{
    private readonly MeshServer _server;

    public GuardedMeshServer()
    {
        var options = new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0"), NodeName = "contract-node" };
        options.AccessControl.Enabled = true;
        options.AccessControl.InitialManagementToken = GuardedConsul.Token;
        _server = new MeshServer(options);
    }

    public Uri Address => _server.Address;

    public async ValueTask InitializeAsync() => await _server.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();
}
