using MeshClient.Server;

namespace MeshClient.FunctionalTests;

/// <summary>The main job on our own server.</summary>
public sealed class AgainstMeshServer(AgainstMeshServer.Fixture fixture) : MeshContract, IClassFixture<AgainstMeshServer.Fixture>
{
    /// <inheritdoc/>
    protected override Uri Address => fixture.Server.Address!;

    /// <summary>One server for all tests of the class.</summary>
    public sealed class Fixture : IAsyncLifetime
    {
        /// <summary>The server.</summary>
        public MeshServer Server { get; } = new(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });

        /// <inheritdoc/>
        public async ValueTask InitializeAsync() => await Server.StartAsync();

        /// <inheritdoc/>
        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }
}
