using MeshClient.Consul.Tests.Fakes;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>The conversations with our own server.</summary>
public sealed class StoreAgainstMeshServer(RunningMeshServer server) : StoreContract, IClassFixture<RunningMeshServer>
{
    protected override bool IsConsul => false;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(server.Address);
}
